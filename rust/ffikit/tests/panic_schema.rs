//! The JSON of a panic holds to the published schema ffikit.report/1.

use ffikit::panics;
use serde_json::{json, Value};
use std::sync::mpsc::channel;

/// Says what in `value` breaks `schema`. It knows the words that the schema
/// uses, and refuses any other: nothing is passed over in silence.
fn violations(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let mut wrong = |what: String| found.push(format!("{place}: {what}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "description" | "title" | "$schema" | "$id" | "$defs" => {}
            "type" if !has_type(value, rule.as_str().unwrap()) => wrong(format!("is no {rule}")),
            "const" if value != rule => wrong(format!("is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => wrong(format!("is none of {rule}")),
            "minimum" if value.as_f64().is_some_and(|number| Some(number) < rule.as_f64()) => {
                wrong(format!("is less than {rule}"))
            }
            "minLength" if (value.as_str().unwrap().len() as u64) < rule.as_u64().unwrap() => {
                wrong("is too short".into())
            }
            "pattern" if !matches(value.as_str().unwrap(), rule.as_str().unwrap()) => {
                wrong(format!("is not like {rule}"))
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        wrong(format!("lacks {name}"));
                    }
                }
            }
            "additionalProperties" => {
                assert_eq!(rule, &json!(false));
                for name in value.as_object().unwrap().keys() {
                    if schema["properties"].get(name).is_none() {
                        wrong(format!("{name} is not in the schema"));
                    }
                }
            }
            "type" | "const" | "enum" | "minimum" | "minLength" | "pattern" => {}
            "properties" | "items" | "$ref" | "oneOf" => {}
            word => panic!("this test does not know {word}: {rule}"),
        }
    }
    if let Some(properties) = schema.get("properties") {
        for (name, member) in value.as_object().into_iter().flatten() {
            if let Some(rule) = properties.get(name) {
                violations(root, rule, member, &format!("{place}.{name}"), found);
            }
        }
    }
    if let Some(rule) = schema.get("items") {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            violations(root, rule, item, &format!("{place}[{index}]"), found);
        }
    }
    if let Some(reference) = schema.get("$ref") {
        let rule = root
            .pointer(reference.as_str().unwrap().trim_start_matches('#'))
            .unwrap();
        violations(root, rule, value, place, found);
    }
    if let Some(choices) = schema.get("oneOf") {
        let fits = |rule: &&Value| {
            let mut unfit = Vec::new();
            violations(root, rule, value, place, &mut unfit);
            unfit.is_empty()
        };
        if choices.as_array().unwrap().iter().filter(fits).count() != 1 {
            found.push(format!("{place}: fits not exactly one of {choices}"));
        }
    }
}

fn has_type(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        kind => panic!("this test does not know type {kind}"),
    }
}

/// The patterns that the schema has.
fn matches(text: &str, pattern: &str) -> bool {
    let is_hex = |text: &str| text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    match pattern {
        "^0x[0-9a-f]{1,16}$" => text
            .strip_prefix("0x")
            .is_some_and(|digits| (1..=16).contains(&digits.len()) && is_hex(digits)),
        "^1:[0-9a-f]{32}$" => text
            .strip_prefix("1:")
            .is_some_and(|digits| digits.len() == 32 && is_hex(digits)),
        "^[a-z+]+>[a-z+]+$" => text
            .split_once('>')
            .is_some_and(|(from, to)| !from.is_empty() && !to.is_empty()),
        pattern => panic!("this test does not know the pattern {pattern}"),
    }
}

fn check(json: &Value) -> Vec<String> {
    let schema: Value =
        serde_json::from_str(include_str!("../../../go/render/schema/report-1.json")).unwrap();
    let mut found = Vec::new();
    violations(&schema, &schema, json, "document", &mut found);
    found
}

#[test]
fn the_schema_is_kept() {
    let (sender, documents) = channel();
    panics::install(move |report| {
        let mut cut = report.clone();
        cut.truncated = Some("cut".to_owned());
        cut.thread = None;
        cut.location = None;
        cut.frames.iter_mut().for_each(|frame| frame.module = None);
        cut.partial = vec![panics::Partial {
            file: "/gone".into(),
            reason: "gone".to_owned(),
        }];
        for report in [report, &cut] {
            sender.send(report.to_json()).unwrap();
        }
    })
    .unwrap();
    let _ = std::panic::catch_unwind(|| panic!("for the schema"));
    panics::remove();
    let documents: Vec<Value> = documents
        .iter()
        .map(|json| serde_json::from_str(&json).unwrap())
        .collect();
    assert_eq!(documents.len(), 2);
    for document in &documents {
        assert_eq!(check(document), Vec::<String>::new());
    }
    // The check itself sees what is wrong.
    let mut broken = documents[0].clone();
    broken["reports"][0]["count"] = json!("one");
    broken["reports"][0]["stacks"][0]["frames"][0]["virt_addr"] = json!("12");
    broken["reports"][0].as_object_mut().unwrap().remove("kind");
    broken["novelty"] = json!(1);
    assert_eq!(check(&broken).len(), 4, "{:?}", check(&broken));
}
