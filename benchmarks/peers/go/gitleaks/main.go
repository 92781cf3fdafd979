// gitleaks with its own rules over the raw bytes. It only detects: what a run times is detection; what it writes has the secrets replaced.
package main

import (
	"bytes"

	"github.com/rs/zerolog"
	"github.com/zricethezav/gitleaks/v8/detect"

	"sluicegate/peers/wire"
)

const version = "v8.30.1"

func main() {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	wire.Serve(func(_ []wire.Rule, _ bool) (wire.Peer, error) {
		detector, err := detect.NewDetectorDefaultConfig()
		if err != nil {
			return wire.Peer{}, err
		}
		run := func(records [][]byte) int {
			for _, record := range records {
				detector.DetectBytes(record)
			}
			return 0
		}
		write := func(records [][]byte) [][]byte {
			out := make([][]byte, 0, len(records))
			for _, record := range records {
				for _, finding := range detector.DetectBytes(record) {
					if finding.Secret != "" {
						record = bytes.ReplaceAll(record, []byte(finding.Secret), []byte(wire.Replacement))
					}
				}
				out = append(out, record)
			}
			return out
		}
		return wire.Peer{Tool: "gitleaks " + version, Rules: len(detector.Config.Rules), Run: run, Write: write}, nil
	})
}
