// OpenTelemetry's redaction processor: JSON read into a log record's body, masked by the processor, written again.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"sluicegate/peers/wire"
)

const (
	version = "v0.164.1"
	batch   = 1000 // records a call, as a collector batches them
)

func main() {
	wire.Serve(func(rules []wire.Rule, asJSON bool) (wire.Peer, error) {
		var patterns, refused []string
		for _, rule := range rules {
			if _, err := regexp.Compile(rule.Pattern); err != nil {
				refused = append(refused, rule.ID+": "+err.Error())
				continue
			}
			patterns = append(patterns, rule.Pattern)
		}
		tool, err := create(patterns)
		if err != nil {
			return wire.Peer{}, err
		}
		tool.asJSON = asJSON
		run := func(records [][]byte) int {
			failed := 0
			tool.each(records, func(value []byte) {
				if value == nil {
					failed++
				}
			})
			return failed
		}
		write := func(records [][]byte) (out [][]byte) {
			tool.each(records, func(value []byte) { out = append(out, value) })
			return out
		}
		name := "opentelemetry redactionprocessor " + version
		return wire.Peer{Tool: name, Rules: len(patterns), Refused: refused, Run: run, Write: write}, nil
	})
}

// redactor holds the processor and what it handed on last.
type redactor struct {
	logs   processor.Logs
	got    plog.Logs
	asJSON bool
}

func create(patterns []string) (*redactor, error) {
	out := &redactor{}
	next, err := consumer.NewLogs(func(_ context.Context, logs plog.Logs) error {
		out.got = logs
		return nil
	})
	if err != nil {
		return nil, err
	}
	factory := redactionprocessor.NewFactory()
	config := factory.CreateDefaultConfig().(*redactionprocessor.Config)
	config.AllowAllKeys, config.RedactAllTypes, config.Summary = true, true, "silent"
	config.BlockedValues = patterns
	settings := processortest.NewNopSettings(component.MustNewType("redaction"))
	out.logs, err = factory.CreateLogs(context.Background(), settings, config, next)
	return out, err
}

// each hands every record's result to take, in order; nil for one that failed.
func (r *redactor) each(records [][]byte, take func(value []byte)) {
	for len(records) > 0 {
		some := records[:min(batch, len(records))]
		records = records[len(some):]
		logs := plog.NewLogs()
		entries := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
		entries.EnsureCapacity(len(some))
		readable := make([]bool, len(some))
		for n, record := range some {
			readable[n] = r.read(record, entries.AppendEmpty()) == nil
		}
		if err := r.logs.ConsumeLogs(context.Background(), logs); err != nil {
			panic(fmt.Sprintf("the processor fails: %v", err))
		}
		entries = r.got.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for n := range some {
			if !readable[n] {
				take(nil)
				continue
			}
			take(r.written(entries.At(n)))
		}
	}
}

func (r *redactor) read(record []byte, entry plog.LogRecord) error {
	if !r.asJSON {
		entry.Body().SetStr(string(record))
		return nil
	}
	var value any
	if err := json.Unmarshal(record, &value); err != nil {
		return err
	}
	return entry.Body().FromRaw(value)
}

func (r *redactor) written(entry plog.LogRecord) []byte {
	if !r.asJSON {
		return []byte(entry.Body().AsString())
	}
	value, err := json.Marshal(entry.Body().AsRaw())
	if err != nil {
		return nil
	}
	return value
}
