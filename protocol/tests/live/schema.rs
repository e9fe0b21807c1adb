//! As much of JSON Schema as `docs/live.schema.json` uses; a word that it does not know fails.

use serde_json::{Map, Value};

#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
}

impl Schema {
    pub(crate) fn parse(text: &str) -> Self {
        Self { root: serde_json::from_str(text).expect("the shapes are JSON") }
    }

    /// Whether the definition of this name takes `value`.
    pub(crate) fn takes(&self, name: &str, value: &Value) -> bool {
        self.is_valid(&self.root["$defs"][name], value)
    }

    /// The definitions that one of this name chooses from.
    pub(crate) fn alternatives(&self, name: &str) -> Vec<String> {
        let choices = self.root["$defs"][name]["oneOf"].as_array().expect("it has alternatives");
        choices.iter().map(|choice| definition(choice).to_owned()).collect()
    }

    fn is_valid(&self, shape: &Value, value: &Value) -> bool {
        let Value::Object(shape) = shape else { panic!("{shape} is no shape") };
        shape.iter().all(|(word, says)| match &**word {
            "description" => true,
            "$ref" => self.is_valid(&self.root["$defs"][name_of(says)], value),
            "oneOf" => {
                let choices = says.as_array().expect("alternatives are a list");
                choices.iter().filter(|choice| self.is_valid(choice, value)).count() == 1
            }
            "type" => has_type(says.as_str().expect("a type is a word"), value),
            "const" => says == value,
            "enum" => says.as_array().expect("an enum is a list").contains(value),
            "minimum" => value.as_i64().is_none_or(|number| says.as_i64() <= Some(number)),
            "maximum" => value.as_u64().is_none_or(|number| Some(number) <= says.as_u64()),
            "items" => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                items.iter().all(|item| self.is_valid(says, item))
            }
            "required" => {
                let names = says.as_array().expect("names are a list");
                let has = |object: &Map<String, Value>, name: &Value| {
                    object.contains_key(name.as_str().expect("a name is text"))
                };
                let is_whole = |object| names.iter().all(|name| has(object, name));
                value.as_object().is_none_or(is_whole)
            }
            "properties" => {
                let shapes = says.as_object().expect("properties are an object");
                let is_valid =
                    |(name, shape)| value.get(name).is_none_or(|v| self.is_valid(shape, v));
                shapes.iter().all(is_valid)
            }
            "additionalProperties" => {
                assert_eq!(says, &Value::Bool(false), "only false is known");
                let known = shape.get("properties").and_then(Value::as_object);
                let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
                value.as_object().is_none_or(|object| object.keys().all(is_known))
            }
            word => panic!("'{word}' is not a word of schemas that is known here"),
        })
    }
}

fn definition(reference: &Value) -> &str {
    name_of(&reference["$ref"])
}

fn name_of(reference: &Value) -> &str {
    let path = reference.as_str().expect("a reference is text");
    path.strip_prefix("#/$defs/").expect("a reference is to a definition")
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        name => panic!("'{name}' is not a type that is known here"),
    }
}
