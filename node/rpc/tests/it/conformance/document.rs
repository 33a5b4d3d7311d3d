//! The document: which methods there are, and the schemas of their parameters and answers.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::client::Served;

/// What the document says.
pub(super) struct Document {
    methods: Map<String, Value>,
    schemas: Value,
    /// Validators by schema: they take long to make.
    validators: RefCell<BTreeMap<String, Rc<Validator>>>,
}

impl Document {
    /// Reads the facts kept with the tests.
    pub(super) fn read() -> Self {
        let text = include_str!("../../data/execution-apis/openrpc.json");
        let mut document: Value = serde_json::from_str(text).expect("the document is JSON");
        let Value::Object(methods) = document["methods"].take() else {
            panic!("the document names no methods");
        };
        let schemas = document["schemas"].take();
        Self {
            methods,
            schemas,
            validators: RefCell::default(),
        }
    }

    /// Reads what a node says of itself in `rpc_discover`.
    pub(super) async fn of_node(node: &Served) -> Self {
        let document = node.result("rpc_discover", json!([])).await;
        let methods = document["methods"].as_array().expect("a list of methods");
        let methods = methods.iter().map(|method| {
            let name = method["name"].as_str().expect("methods have names");
            let result = &method["result"]["schema"];
            let facts = json!({"params": method["params"], "result": result});
            (name.to_owned(), facts)
        });
        Self {
            methods: methods.collect(),
            schemas: document["components"]["schemas"].clone(),
            validators: RefCell::default(),
        }
    }

    /// The names of all methods.
    pub(super) fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }

    /// The parameters of a method: name, schema, and whether it must be given.
    pub(super) fn params(&self, method: &str) -> Vec<(&str, &Value, bool)> {
        let params = self.methods[method]["params"].as_array();
        let params = params.unwrap_or_else(|| panic!("{method} is not for clients"));
        params
            .iter()
            .map(|param| {
                let name = param["name"].as_str().expect("parameters have names");
                (name, &param["schema"], param["required"] == true)
            })
            .collect()
    }

    /// What is wrong with parameters.
    pub(super) fn params_errors(&self, method: &str, given: &Value) -> Vec<String> {
        let given = given.as_array().expect("parameters are a list");
        let known = self.params(method);
        let mut errors = Vec::new();
        if given.len() > known.len() {
            errors.push(format!("{} parameters, not {}", given.len(), known.len()));
        }
        for (index, (name, schema, required)) in known.into_iter().enumerate() {
            match given.get(index) {
                Some(value) => errors.extend(self.errors(schema, value)),
                None if required => errors.push(format!("{name} is missing")),
                None => {}
            }
        }
        errors
    }

    /// What is wrong with an answer.
    pub(super) fn result_errors(&self, method: &str, result: &Value) -> Vec<String> {
        self.errors(&self.methods[method]["result"], result)
    }

    /// What is wrong with a value of a schema with a name.
    pub(super) fn schema_errors(&self, name: &str, value: &Value) -> Vec<String> {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        self.errors(&schema, value)
    }

    /// Where `value` is not what `schema` says.
    fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        validator
            .iter_errors(value)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect()
    }

    fn validator(&self, schema: &Value) -> Rc<Validator> {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let schema = json!({"allOf": [schema], "components": {"schemas": self.schemas}});
            Rc::new(jsonschema::draft7::new(&schema).expect("the document's schemas are valid"))
        });
        validator.clone()
    }
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let document = Document::read();
    for (method, wrong) in [
        ("eth_blockNumber", json!("0x01")),
        ("eth_getBalance", json!(1)),
        ("eth_getBlockByNumber", json!({})),
        ("eth_getTransactionReceipt", json!({"status": "0x1"})),
        ("eth_getTransactionByHash", json!({"type": "0x0"})),
        ("eth_getLogs", json!([{"address": "0x00"}])),
        ("eth_simulateV1", json!([{"calls": []}])),
    ] {
        assert!(
            !document.result_errors(method, &wrong).is_empty(),
            "{method} may be {wrong}"
        );
    }
    assert_eq!(
        document.params_errors("eth_getBalance", &json!([])),
        ["Address is missing"]
    );
}
