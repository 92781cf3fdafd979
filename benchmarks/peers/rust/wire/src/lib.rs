//! The wire form that every compiled peer speaks; benchmarks/peers/program.py is the other end and describes it.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead, BufWriter, Write};
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

/// Vector's allocator on Linux; both crates are faster with it than with the system's, by 2 to 10 %.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What stands in the place of whatever a peer found.
pub const REPLACEMENT: &str = "[redacted]";

#[derive(Deserialize)]
pub struct Rule {
    pub id: String,
    pub pattern: String,
    #[serde(default)]
    pub validator: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    Json,
    Text,
}

/// A tool made ready: its name with its version, the rules that it refused, and what it does to one record (None if it fails).
pub struct Peer<F> {
    pub tool: String,
    pub refused: Vec<String>,
    pub apply: F,
}

/// Reads `RULES CORPUS FORM` from the command line, then answers `run N PASSES` and `write N FILE` until the input ends.
pub fn serve<F>(make: impl FnOnce(&[Rule], Form) -> Result<Peer<F>, String>)
where
    F: FnMut(&[u8]) -> Option<Vec<u8>>,
{
    if let Err(error) = session(make) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn session<F>(make: impl FnOnce(&[Rule], Form) -> Result<Peer<F>, String>) -> Result<(), String>
where
    F: FnMut(&[u8]) -> Option<Vec<u8>>,
{
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rules, corpus, form] = args.as_slice() else {
        return Err("usage: PROGRAM RULES CORPUS json|text".into());
    };
    let form = if form == "json" { Form::Json } else { Form::Text };
    let rules: Vec<Rule> = serde_json::from_slice(&read(rules)?).map_err(|e| format!("{rules}: {e}"))?;
    let records = split(&read(corpus)?).ok_or_else(|| format!("{corpus}: cut short"))?;
    let mut peer = make(&rules, form)?;
    let used = rules.len() - peer.refused.len();
    say(json!({"tool": peer.tool, "rules": used, "refused": peer.refused, "records": records.len()}));
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words.as_slice() {
            ["run", count, passes] => {
                let some = &records[..number(count)?.min(records.len())];
                say(run(some, number(passes)?, &mut peer.apply));
            }
            ["write", count, path] => {
                let some = &records[..number(count)?.min(records.len())];
                write(some, path, &mut peer.apply).map_err(|e| format!("{path}: {e}"))?;
                say(json!({"records": some.len()}));
            }
            _ => return Err(format!("not understood: {line}")),
        }
    }
    Ok(())
}

fn run(records: &[Vec<u8>], passes: usize, apply: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>) -> serde_json::Value {
    let mut failed = 0;
    let started = Instant::now();
    for _ in 0..passes {
        for record in records {
            failed += black_box(apply(black_box(record))).is_none() as usize;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let bytes: usize = records.iter().map(Vec::len).sum();
    json!({"records": records.len() * passes, "bytes": bytes * passes, "seconds": seconds, "failed": failed})
}

fn write(records: &[Vec<u8>], path: &str, apply: &mut impl FnMut(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for record in records {
        match apply(record) {
            Some(value) => {
                out.write_all(&(value.len() as u32).to_le_bytes())?;
                out.write_all(&value)?;
            }
            None => out.write_all(&u32::MAX.to_le_bytes())?,
        }
    }
    out.flush()
}

fn say(value: serde_json::Value) {
    println!("{value}");
}

fn number(word: &str) -> Result<usize, String> {
    word.parse().map_err(|_| format!("not a number: {word}"))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("{path}: {e}"))
}

fn split(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
        out.push(record.to_vec());
        bytes = rest;
    }
    bytes.is_empty().then_some(out)
}
