// Package wire is the form that every compiled peer speaks; benchmarks/peers/program.py is the other end and describes it.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// Replacement stands in the place of whatever a peer found.
const Replacement = "[redacted]"

// Rule is one of those that all peers are given.
type Rule struct {
	ID        string `json:"id"`
	Pattern   string `json:"pattern"`
	Validator string `json:"validator"`
}

// Peer is a tool made ready. Run does its work on a batch and throws the results away; Write gives them, nil where it failed.
type Peer struct {
	Tool    string
	Rules   int
	Refused []string
	Run     func(records [][]byte) (failed int)
	Write   func(records [][]byte) [][]byte
}

// Serve reads `RULES CORPUS FORM` from the command line, then answers `run N PASSES` and `write N FILE` until the input ends.
func Serve(create func(rules []Rule, asJSON bool) (Peer, error)) {
	if err := session(create); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func session(create func([]Rule, bool) (Peer, error)) error {
	if len(os.Args) != 4 {
		return fmt.Errorf("usage: %s RULES CORPUS json|text", os.Args[0])
	}
	given, err := os.ReadFile(os.Args[1])
	if err != nil {
		return err
	}
	var rules []Rule
	if err := json.Unmarshal(given, &rules); err != nil {
		return fmt.Errorf("%s: %w", os.Args[1], err)
	}
	records, err := load(os.Args[2])
	if err != nil {
		return err
	}
	peer, err := create(rules, os.Args[3] == "json")
	if err != nil {
		return err
	}
	say(map[string]any{"tool": peer.Tool, "rules": peer.Rules, "refused": peer.Refused, "records": len(records)})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 3)
		if len(words) != 3 {
			return fmt.Errorf("not understood: %s", lines.Text())
		}
		count, err := strconv.Atoi(words[1])
		if err != nil {
			return err
		}
		some := records[:min(count, len(records))]
		switch words[0] {
		case "run":
			passes, err := strconv.Atoi(words[2])
			if err != nil {
				return err
			}
			say(run(peer, some, passes))
		case "write":
			if err := write(words[2], peer.Write(some)); err != nil {
				return err
			}
			say(map[string]any{"records": len(some)})
		default:
			return fmt.Errorf("not understood: %s", lines.Text())
		}
	}
	return lines.Err()
}

func run(peer Peer, records [][]byte, passes int) map[string]any {
	failed, bytes := 0, 0
	for _, record := range records {
		bytes += len(record)
	}
	started := time.Now()
	for range passes {
		failed += peer.Run(records)
	}
	seconds := time.Since(started).Seconds()
	return map[string]any{"records": len(records) * passes, "bytes": bytes * passes, "seconds": seconds, "failed": failed}
}

func load(path string) ([][]byte, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(rest) > 0 {
		if len(rest) < 4 || len(rest)-4 < int(binary.LittleEndian.Uint32(rest)) {
			return nil, fmt.Errorf("%s: cut short", path)
		}
		size := int(binary.LittleEndian.Uint32(rest))
		records, rest = append(records, rest[4:4+size]), rest[4+size:]
	}
	return records, nil
}

func write(path string, values [][]byte) error {
	var out []byte
	for _, value := range values {
		if value == nil {
			out = binary.LittleEndian.AppendUint32(out, math.MaxUint32)
			continue
		}
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(value))), value...)
	}
	return os.WriteFile(path, out, 0o600)
}

func say(answer map[string]any) {
	line, _ := json.Marshal(answer)
	fmt.Println(string(line))
}
