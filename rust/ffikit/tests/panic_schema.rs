//! The JSON of a panic holds to the published schema ffikit.report/1.

use ffikit::panics;
use serde_json::{json, Value};
use std::sync::mpsc::channel;

/// The published schema, closed: it is open so that readers pass over what later
/// versions add, but what this version writes is all described.
fn closed_schema() -> Value {
    let mut schema: Value =
        serde_json::from_str(include_str!("../../../go/render/schema/report-1.json")).unwrap();
    assert!(close(&mut schema) > 5, "objects of the schema");
    schema
}

/// Closes all objects that `schema` describes, and counts them.
fn close(schema: &mut Value) -> usize {
    match schema {
        Value::Object(members) => {
            let mut closed = members.values_mut().map(close).sum();
            let described = members
                .get("properties")
                .and_then(Value::as_object)
                .is_some_and(|properties| !properties.is_empty());
            if described && members.get("type") == Some(&json!("object")) {
                members.insert("additionalProperties".to_owned(), json!(false));
                closed += 1;
            }
            closed
        }
        Value::Array(items) => items.iter_mut().map(close).sum(),
        _ => 0,
    }
}

/// Where `document` breaks the schema, and what is wrong there; sorted.
fn violations(document: &Value) -> Vec<(String, String)> {
    let validator = jsonschema::validator_for(&closed_schema()).unwrap();
    let mut found: Vec<_> = validator
        .iter_errors(document)
        .map(|error| (error.instance_path().to_string(), error.to_string()))
        .collect();
    found.sort();
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
        assert_eq!(violations(document), []);
    }
    // The check itself sees what is wrong.
    let mut broken = documents[0].clone();
    broken["novelty"] = json!(1);
    broken["reports"][0]["count"] = json!("one");
    broken["reports"][0].as_object_mut().unwrap().remove("kind");
    broken["reports"][0]["stacks"][0]["frames"][0]["virt_addr"] = json!("12");
    let places: Vec<_> = violations(&broken).into_iter().map(|(place, _)| place).collect();
    assert_eq!(
        places,
        [
            "",
            "/reports/0",
            "/reports/0/count",
            "/reports/0/stacks/0/frames/0/virt_addr"
        ]
    );
}
