"""Other tools, measured like ours: on the same bytes, in the same run, taking turns.

- `benchmarks.peers.known`: which tools, with which rules, and what each is good for as a comparison.
- `benchmarks.peers.program`: a peer as a program, and the form in which one talks to it.
- `benchmarks.peers.build`: makes these programs, in a cache directory.
- `benchmarks.peers.published`: the rules that gitleaks publishes, for peers and for us.
- `rules.yaml`: the dozen rules that all peers are given.
- `rust`, `go`, `python`: the programs. They only load, call the tool in a loop, and take the time.
"""
