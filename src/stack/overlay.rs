//! An operator's own stack file laid over the product's.

use serde_json::Value;

/// Lays `over` on `base`: maps are joined key by key, everything else takes the place of what was there; `null` takes it
/// away.
pub fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    overlay(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_are_joined_and_the_rest_is_replaced() {
        let mut base = json!({ "services": { "a": { "image": "x", "ports": ["1:1"], "init": true }, "b": {} } });
        overlay(
            &mut base,
            json!({ "services": { "a": { "ports": ["2:2"], "init": null, "environment": { "K": "v" } } } }),
        );
        let expected =
            json!({ "services": { "a": { "image": "x", "ports": ["2:2"], "environment": { "K": "v" } }, "b": {} } });
        assert_eq!(base, expected);
    }
}
