//! What the server says of itself.

use serde_json::json;

use crate::{chain::empty, client::Served};

#[tokio::test]
async fn modules_are_listed() {
    let node = Served::new(empty().chain()).await;
    let modules = node.result("rpc_modules", json!([])).await;
    for name in ["eth", "net", "web3", "clique", "rpc"] {
        assert_eq!(modules[name], "1.0", "{modules}");
    }
}

#[tokio::test]
async fn the_document_tells_how_each_method_is_called() {
    let node = Served::new(empty().chain()).await;
    let document = node.result("rpc_discover", json!([])).await;
    assert_eq!(document["openrpc"], "1.3.2");
    assert_eq!(document["info"]["title"], "Wattline JSON-RPC");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for method in document["methods"].as_array().expect("a list") {
        let name = method["name"].as_str().expect("a name");
        assert!(
            method["summary"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{name}"
        );
        let required = method["params"].as_array().expect("a list").iter();
        let required = required.filter(|param| param["required"] == true).count();
        if required > 0 && !name.ends_with("subscribe") {
            // What the document says is what the method does.
            let (code, message) = node.error(name, json!([])).await;
            assert_eq!(
                (code, message.contains("a parameter is missing")),
                (-32602, true),
                "{name}: {message}"
            );
        }
    }
}
