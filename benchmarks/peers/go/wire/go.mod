module sluicegate/peers/wire

go 1.24
