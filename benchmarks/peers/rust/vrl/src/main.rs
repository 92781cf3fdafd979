//! Vector Remap Language, compiled: parse_json, redact with each rule as a filter, encode_json.

use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, Function, TargetValue, TimeZone};
use vrl::stdlib::{EncodeJson, ParseJson, Redact};
use vrl::value::{KeyString, ObjectMap, Secrets, Value};
use wire::{Form, Peer, Rule, REPLACEMENT};

fn program(rules: &[&Rule], form: Form) -> String {
    let filters: Vec<String> = rules.iter().map(|rule| format!("r'{}'", rule.pattern.replace('\'', r"\x27"))).collect();
    let redact = |value: &str| {
        format!(r#"redact!({value}, filters: [{}], redactor: {{"type": "text", "replacement": "{REPLACEMENT}"}})"#, filters.join(", "))
    };
    match form {
        Form::Json => format!("encode_json({})", redact("parse_json!(.message)")),
        Form::Text => redact(".message"),
    }
}

fn main() {
    wire::serve(|rules, form| {
        let functions: Vec<Box<dyn Function>> = vec![Box::new(ParseJson), Box::new(Redact), Box::new(EncodeJson)];
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for rule in rules {
            match vrl::compiler::compile(&program(&[rule], form), &functions) {
                Ok(_) => taken.push(rule),
                Err(_) => refused.push(format!("{}: not a pattern of VRL", rule.id)),
            }
        }
        let compiled = vrl::compiler::compile(&program(&taken, form), &functions).map_err(|e| format!("VRL: {:?}", e.errors()))?.program;
        let timezone = TimeZone::default();
        let mut state = RuntimeState::default();
        let apply = move |record: &[u8]| {
            state.clear();
            let message = Value::Bytes(record.to_vec().into());
            let mut target = TargetValue {
                value: Value::Object(ObjectMap::from([(KeyString::from("message"), message)])),
                metadata: Value::Object(ObjectMap::new()),
                secrets: Secrets::default(),
            };
            let value = compiled.resolve(&mut Context::new(&mut target, &mut state, &timezone)).ok()?;
            value.as_bytes().map(|bytes| bytes.to_vec())
        };
        Ok(Peer { tool: "vrl 0.38.0".into(), refused, apply })
    });
}
