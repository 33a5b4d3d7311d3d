//! Requests to every method, with parameters of right and wrong shapes, end in JSON-RPC answers.
//! Methods and shapes are those of `rpc_discover`.
//!
//! In `node/rpc/`: `cargo +nightly fuzz run structured`.

#![no_main]

mod node;

use std::sync::OnceLock;

use libfuzzer_sys::{
    arbitrary::{Result, Unstructured},
    fuzz_target,
};
use node::Node;
use serde_json::{Map, Value, json};

const QUANTITIES: &[&str] = &[
    "0x0",
    "0x1",
    "0x2",
    "0x64",
    "0x5208",
    "0xffffffff",
    "0x1c9c380",
    "0xffffffffffffffff",
    "0x10000000000000000",
    "0xffffffffffffffffffffffffffffffff",
    "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0x10000000000000000000000000000000000000000000000000000000000000000",
];
const BLOCKS: &[&str] = &[
    "latest",
    "earliest",
    "pending",
    "safe",
    "finalized",
    "0x0",
    "0x1",
    "0x3",
    "0x4",
    "0xffffffffffffffff",
];
const TRACERS: &[&str] = &[
    "callTracer",
    "prestateTracer",
    "4byteTracer",
    "noopTracer",
    "flatCallTracer",
    "muxTracer",
    "none",
];

/// A method's name and the shapes of its parameters: the names of their schemas, or for objects
/// that have none of their own what the parameter is called.
type Method = (String, Vec<String>);

fn methods(node: &mut Node) -> &'static [Method] {
    static METHODS: OnceLock<Vec<Method>> = OnceLock::new();
    METHODS.get_or_init(|| {
        let document = node.call("rpc_discover", &json!([]));
        let methods = document["methods"].as_array().expect("methods");
        let methods: Vec<Method> = methods
            .iter()
            .map(|method| {
                let params = method["params"].as_array().expect("parameters").iter();
                (text(&method["name"]), params.map(shape).collect())
            })
            .collect();
        for namespace in ["eth_", "debug_", "trace_", "clique_"] {
            let served = methods.iter().any(|(name, _)| name.starts_with(namespace));
            assert!(served, "{namespace} is not served");
        }
        methods
    })
}

fn shape(param: &Value) -> String {
    let schema = text(&param["schema"]["$ref"]);
    match schema.rsplit('/').next().expect("the last part") {
        "Object" | "Objects" => text(&param["name"]),
        name => name.to_owned(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

struct Gen<'a, 'b> {
    u: &'a mut Unstructured<'b>,
    node: &'a Node,
}

impl Gen<'_, '_> {
    fn of(&mut self, shape: &str) -> Result<Value> {
        if self.u.ratio(1, 12)? {
            return self.junk(3);
        }
        Ok(match shape {
            "Address" => self.address()?,
            "Block" | "BlockOrHeader" => self.block()?,
            "BlockNumber" => self.one_of(BLOCKS)?,
            "Bool" => json!(self.u.arbitrary::<bool>()?),
            "Bytes" => self.bytes(200)?,
            "Hash" => self.hash()?,
            "Quantity" | "Slot" => self.one_of(QUANTITIES)?,
            "Percentiles" => {
                let count = self.u.int_in_range(0..=4)?;
                let all: Result<Vec<_>> = (0..count).map(|_| self.u.arbitrary::<u8>()).collect();
                json!(all?)
            }
            "TransactionRequest" => self.transaction()?,
            "StateOverrides" => self.overrides()?,
            "BlockOverrides" => self.fields(&[
                ("number", "Quantity"),
                ("time", "Quantity"),
                ("gasLimit", "Quantity"),
                ("feeRecipient", "Address"),
                ("prevRandao", "Hash"),
                ("baseFeePerGas", "Quantity"),
                ("difficulty", "Quantity"),
            ])?,
            "Filter" | "SubscriptionParams" => {
                let mut filter = self.fields(&[
                    ("fromBlock", "BlockNumber"),
                    ("toBlock", "BlockNumber"),
                    ("blockHash", "Hash"),
                    ("address", "Address"),
                ])?;
                if self.u.ratio(1, 2)? {
                    let count = self.u.int_in_range(0..=5)?;
                    let topics: Result<Vec<_>> = (0..count).map(|_| self.topic()).collect();
                    filter["topics"] = json!(topics?);
                }
                filter
            }
            "FilterId" if !self.node.filters.is_empty() && self.u.ratio(3, 4)? => {
                self.u.choose(&self.node.filters)?.clone()
            }
            "FilterId" | "SubscriptionId" => self.one_of(QUANTITIES)?,
            "SubscriptionKind" => self.one_of(&["newHeads", "logs", "syncing"])?,
            "Addresses" => self.list("Address", 3)?,
            "Quantities" => self.list("Quantity", 3)?,
            "Slots" => self.list("Slot", 3)?,
            "BytesList" => self.list("Bytes", 3)?,
            "TraceTypes" => self.list("TraceType", 3)?,
            "TraceType" => self.one_of(&["trace", "vmTrace", "stateDiff"])?,
            "Transactions" => self.list("TransactionRequest", 3)?,
            "Index" => json!(self.u.int_in_range(-1..=3)?),
            "Timeout" => self.one_of(&["1ms", "100ms", "1h", "-1s", "soon"])?,
            "Mode" => self.one_of(&["union", "intersection"])?,
            "Bundle" => self.fields(&[
                ("transactions", "Transactions"),
                ("blockOverride", "BlockOverrides"),
            ])?,
            "Bundles" => self.list("Bundle", 2)?,
            "StateContext" => {
                self.fields(&[("blockNumber", "Block"), ("transactionIndex", "Index")])?
            }
            "SimulatePayload" => self.fields(&[
                ("blockStateCalls", "SimulatedBlockCalls"),
                ("traceTransfers", "Bool"),
                ("validation", "Bool"),
                ("returnFullTransactions", "Bool"),
            ])?,
            "SimulatedBlockCalls" => self.list("SimulatedBlock", 3)?,
            "SimulatedBlock" => self.fields(&[
                ("calls", "Transactions"),
                ("blockOverrides", "BlockOverrides"),
                ("stateOverrides", "StateOverrides"),
            ])?,
            "Pair" => json!([self.of("TransactionRequest")?, self.of("TraceTypes")?]),
            // What follows are names of parameters.
            shape if shape.starts_with("tracing options") => self.tracer()?,
            shape if shape.starts_with("bundles") => self.of("Bundles")?,
            shape if shape.starts_with("pairs") => self.list("Pair", 3)?,
            shape if shape.starts_with("state context") => self.of("StateContext")?,
            "typed data object" => self.typed_data()?,
            shape if shape.starts_with("filter: ") => self.fields(&[
                ("fromBlock", "BlockNumber"),
                ("toBlock", "BlockNumber"),
                ("fromAddress", "Addresses"),
                ("toAddress", "Addresses"),
                ("mode", "Mode"),
                ("after", "Index"),
                ("count", "Index"),
            ])?,
            // What nobody has described here yet.
            _ => match self.u.int_in_range(0..=3)? {
                0 => self.tracer()?,
                1 => self.list("TransactionRequest", 2)?,
                2 => self.transaction()?,
                _ => self.junk(3)?,
            },
        })
    }

    fn list(&mut self, shape: &str, most: usize) -> Result<Value> {
        let count = self.u.int_in_range(0..=most)?;
        let all: Result<Vec<_>> = (0..count).map(|_| self.of(shape)).collect();
        Ok(json!(all?))
    }

    /// For signing: types may refer to themselves, to each other or to none.
    fn typed_data(&mut self) -> Result<Value> {
        const NAMES: &[&str] = &[
            "Mail", "Person", "Mail[]", "uint256", "int7", "bytes[2]", "x",
        ];
        let mut types = Map::new();
        for name in ["EIP712Domain", "Mail", "Person"] {
            let count = self.u.int_in_range(0..=2)?;
            let fields: Result<Vec<_>> = (0..count)
                .map(|_| Ok(json!({"name": "a", "type": self.one_of(NAMES)?})))
                .collect();
            types.insert(name.to_owned(), json!(fields?));
        }
        Ok(json!({
            "types": types,
            "primaryType": self.one_of(NAMES)?,
            "domain": self.fields(&[("name", "Bytes"), ("chainId", "Quantity")])?,
            "message": {"a": self.junk(3)?},
        }))
    }

    fn one_of(&mut self, values: &[&str]) -> Result<Value> {
        Ok(json!(self.u.choose(values)?))
    }

    fn address(&mut self) -> Result<Value> {
        Ok(match self.u.int_in_range(0..=4)? {
            0 => json!(format!("0x{:040x}", self.u.arbitrary::<u8>()?)),
            1 => json!(format!("0x{:040x}", self.u.arbitrary::<u128>()?)),
            _ => self.u.choose(&self.node.addresses)?.clone(),
        })
    }

    fn hash(&mut self) -> Result<Value> {
        Ok(if self.u.ratio(1, 4)? {
            json!(format!("0x{:064x}", self.u.arbitrary::<u128>()?))
        } else {
            self.u.choose(&self.node.hashes)?.clone()
        })
    }

    fn block(&mut self) -> Result<Value> {
        Ok(match self.u.int_in_range(0..=5)? {
            0 => self.hash()?,
            1 => {
                json!({"blockHash": self.hash()?, "requireCanonical": self.u.arbitrary::<bool>()?})
            }
            2 => json!({"blockNumber": self.one_of(BLOCKS)?}),
            _ => self.one_of(BLOCKS)?,
        })
    }

    fn bytes(&mut self, most: usize) -> Result<Value> {
        if self.u.ratio(1, 3)? {
            return self.raw();
        }
        let length = self.u.int_in_range(0..=most)?;
        let bytes = self.u.bytes(length.min(self.u.len()))?;
        Ok(json!(alloy_primitives::hex::encode_prefixed(bytes)))
    }

    /// Bytes of the chain, perhaps with one that differs, or cut.
    fn raw(&mut self) -> Result<Value> {
        let mut raw = text(self.u.choose(&self.node.raw)?);
        let at = self.u.choose_index(raw.len())?;
        match self.u.int_in_range(0..=3)? {
            0 => raw.truncate(at),
            1 if at >= 2 => raw.replace_range(at..=at, "7"),
            _ => {}
        }
        Ok(json!(raw))
    }

    fn topic(&mut self) -> Result<Value> {
        Ok(match self.u.int_in_range(0..=2)? {
            0 => Value::Null,
            1 => self.hash()?,
            _ => json!([self.hash()?, self.hash()?]),
        })
    }

    fn fields(&mut self, fields: &[(&str, &str)]) -> Result<Value> {
        let mut object = Map::new();
        for (name, shape) in fields {
            if self.u.ratio(1, 3)? {
                object.insert((*name).to_owned(), self.of(shape)?);
            }
        }
        Ok(Value::Object(object))
    }

    fn transaction(&mut self) -> Result<Value> {
        let mut call = self.fields(&[
            ("from", "Address"),
            ("to", "Address"),
            ("value", "Quantity"),
            ("input", "Bytes"),
        ])?;
        if self.u.ratio(3, 4)? {
            return Ok(call);
        }
        let rare = self.fields(&[
            ("gas", "Quantity"),
            ("gasPrice", "Quantity"),
            ("maxFeePerGas", "Quantity"),
            ("maxPriorityFeePerGas", "Quantity"),
            ("nonce", "Quantity"),
            ("data", "Bytes"),
            ("chainId", "Quantity"),
            ("type", "Quantity"),
        ])?;
        for (name, value) in rare.as_object().expect("fields") {
            call[name] = value.clone();
        }
        if self.u.ratio(1, 8)? {
            let keys = [self.hash()?];
            call["accessList"] = json!([{"address": self.address()?, "storageKeys": keys}]);
        }
        Ok(call)
    }

    fn overrides(&mut self) -> Result<Value> {
        let mut all = Map::new();
        for _ in 0..self.u.int_in_range(0..=2)? {
            let mut account = self.fields(&[
                ("balance", "Quantity"),
                ("nonce", "Quantity"),
                ("code", "Bytes"),
                ("movePrecompileToAddress", "Address"),
            ])?;
            if self.u.ratio(1, 3)? {
                let kind = if self.u.arbitrary()? {
                    "state"
                } else {
                    "stateDiff"
                };
                let slot = self.hash()?.as_str().unwrap_or_default().to_owned();
                account[kind] = json!({slot: self.hash()?});
            }
            let address = self.address()?.as_str().unwrap_or_default().to_owned();
            all.insert(address, account);
        }
        Ok(Value::Object(all))
    }

    fn tracer(&mut self) -> Result<Value> {
        let mut options = self.fields(&[
            ("stateOverrides", "StateOverrides"),
            ("blockOverrides", "BlockOverrides"),
            ("disableStorage", "Bool"),
            ("disableStack", "Bool"),
            ("enableMemory", "Bool"),
            ("enableReturnData", "Bool"),
            ("limit", "Index"),
            ("txIndex", "Quantity"),
            ("timeout", "Timeout"),
        ])?;
        if self.u.ratio(3, 4)? {
            let tracer = self.one_of(TRACERS)?;
            options["tracerConfig"] = if tracer == "muxTracer" {
                json!({
                    text(&self.one_of(TRACERS)?): self.tracer_config()?,
                    text(&self.one_of(TRACERS)?): null,
                })
            } else {
                self.tracer_config()?
            };
            options["tracer"] = tracer;
        }
        Ok(options)
    }

    fn tracer_config(&mut self) -> Result<Value> {
        self.fields(&[
            ("onlyTopCall", "Bool"),
            ("withLog", "Bool"),
            ("diffMode", "Bool"),
            ("disableCode", "Bool"),
            ("disableStorage", "Bool"),
            ("convertParityErrors", "Bool"),
            ("includePrecompiles", "Bool"),
        ])
    }

    fn junk(&mut self, depth: usize) -> Result<Value> {
        Ok(match self.u.int_in_range(0..=8)? {
            0 => Value::Null,
            1 => json!(self.u.arbitrary::<bool>()?),
            2 => json!(self.u.arbitrary::<i64>()?),
            3 => json!(self.u.arbitrary::<u64>()?),
            4 => json!(self.u.arbitrary::<f64>()?),
            5 => json!(self.u.arbitrary::<&str>()?),
            6 => self.bytes(64)?,
            7 if depth > 0 => json!([self.junk(depth - 1)?, self.junk(depth - 1)?]),
            8 if depth > 0 => json!({self.u.arbitrary::<String>()?: self.junk(depth - 1)?}),
            _ => self.one_of(QUANTITIES)?,
        })
    }
}

fn request(u: &mut Unstructured<'_>, node: &mut Node) -> Result<Value> {
    let (name, shapes) = u.choose(methods(node))?;
    let mut r#gen = Gen { u, node };
    let mut params = Vec::new();
    for shape in shapes {
        if r#gen.u.ratio(1, 10)? {
            break;
        }
        params.push(r#gen.of(shape)?);
    }
    if u.ratio(1, 20)? {
        params.push(json!([[], {}]));
    }
    Ok(json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": params}))
}

fuzz_target!(|data: &[u8]| {
    let u = &mut Unstructured::new(data);
    let mut node = node::node();
    let mut requests = Vec::new();
    for _ in 0..u.int_in_range(1..=4).unwrap_or(1) {
        match request(u, &mut node) {
            Ok(request) => requests.push(request),
            Err(_) => break,
        }
    }
    let body = match requests.as_slice() {
        [] => return,
        [one] => one.to_string(),
        many => json!(many).to_string(),
    };
    let answer = node.ask(body.as_bytes()).expect("each has an id");
    let count = answer.as_array().map_or(1, Vec::len);
    assert_eq!(count, requests.len(), "{body}: {answer}");
    node.remember_filters(&requests, &answer);
});
