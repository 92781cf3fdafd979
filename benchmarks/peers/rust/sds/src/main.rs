//! dd-sensitive-data-scanner: JSON parsed by serde_json, scanned and redacted as one event, written again.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use dd_sds::{
    Event, EventVisitor, MatchAction, Path, PathSegment, RegexRuleConfig, RootRuleConfig, RuleConfig, Scanner, ScannerError,
    SecondaryValidator, Utf8Encoding,
};
use serde_json::Value;
use wire::{Form, Peer, Rule, REPLACEMENT};

/// A JSON value whose numbers may be redacted: the crate's own event over `Value` reads numbers and panics when it is to replace one.
struct Json(Value);

impl Event for Json {
    type Encoding = Utf8Encoding;

    fn visit_event<'a>(&'a mut self, visitor: &mut impl EventVisitor<'a>) -> Result<(), ScannerError> {
        visit(&self.0, visitor)
    }

    fn visit_string_mut(&mut self, path: &Path, change: impl FnOnce(&mut String) -> bool) {
        let mut value = &mut self.0;
        for segment in &path.segments {
            value = match segment {
                PathSegment::Field(key) => &mut value[key.as_ref()],
                PathSegment::Index(index) => &mut value[*index],
            };
        }
        match value {
            Value::String(text) => {
                change(text);
            }
            other => {
                let mut text = other.to_string();
                if change(&mut text) {
                    *other = Value::String(text);
                }
            }
        }
    }
}

fn visit<'a>(value: &'a Value, visitor: &mut impl EventVisitor<'a>) -> Result<(), ScannerError> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => visitor.visit_string(&number.to_string()).map(|_| {}),
        Value::String(text) => visitor.visit_string(text).map(|_| {}),
        Value::Object(members) => members.iter().try_for_each(|(key, child)| {
            visitor.push_segment(key.as_str().into());
            visit(child, visitor)?;
            visitor.pop_segment();
            Ok(())
        }),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, child)| {
            visitor.push_segment(PathSegment::Index(index));
            visit(child, visitor)?;
            visitor.pop_segment();
            Ok(())
        }),
    }
}

fn config(rule: &Rule) -> RootRuleConfig<Arc<dyn RuleConfig>> {
    let validator = (rule.validator.as_deref() == Some("luhn")).then_some(SecondaryValidator::LuhnChecksum);
    RootRuleConfig::new(RegexRuleConfig::new(&rule.pattern).with_validator(validator).build()).match_action(MatchAction::redact(REPLACEMENT))
}

fn main() {
    std::panic::set_hook(Box::new(|_| {})); // a record that makes the scanner panic is counted as failed
    wire::serve(|rules, form| {
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for rule in rules {
            match Scanner::builder(&[config(rule)]).build() {
                Ok(_) => taken.push(config(rule)),
                Err(error) => refused.push(format!("{}: {error}", rule.id)),
            }
        }
        let scanner = Scanner::builder(&taken).with_return_matches(false).build().map_err(|e| e.to_string())?;
        let json = move |record: &[u8]| {
            let mut event = Json(serde_json::from_slice(record).ok()?);
            scanner.scan(&mut event).ok()?;
            serde_json::to_vec(&event.0).ok()
        };
        let text_scanner = Scanner::builder(&taken).with_return_matches(false).build().map_err(|e| e.to_string())?;
        let text = move |record: &[u8]| {
            let mut event = String::from_utf8(record.to_vec()).ok()?;
            text_scanner.scan(&mut event).ok()?;
            Some(event.into_bytes())
        };
        let apply = move |record: &[u8]| {
            catch_unwind(AssertUnwindSafe(|| if form == Form::Json { json(record) } else { text(record) })).ok().flatten()
        };
        Ok(Peer { tool: "dd-sensitive-data-scanner 0.1.0-20261029".into(), refused, apply })
    });
}
