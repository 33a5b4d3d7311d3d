//! Writes the Rust ABI's one input, from the contracts' interfaces.
//!
//! `alloy::sol!` follows no imports: a type that an interface imports must stand beside it. So the
//! interfaces go into one invocation, after the value types that they share. No Solidity tool is
//! needed, and there is one definition of every call, event and error.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let contracts = Path::new("../contracts/src");
    let mut source = String::from("alloy::sol! {\n#![sol(rpc, all_derives)]\n");
    for file in solidity(&contracts.join("types"))? {
        let text = fs::read_to_string(&file)?;
        let types = text.lines().filter(|line| line.starts_with("type "));
        types.for_each(|line| push(&mut source, line));
    }
    let mut files = solidity(&contracts.join("interfaces"))?;
    files.push(contracts.join("genesis/Genesis.sol"));
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file)?;
        // NatSpec would become Rust documentation, and its tables and indented text code.
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        code.for_each(|line| push(&mut source, line));
    }
    source.push_str("}\n");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("abi.rs"), source)
}

fn push(source: &mut String, line: &str) {
    source.push_str(line);
    source.push('\n');
}

/// The Solidity files of a folder, in the order of their names.
fn solidity(folder: &Path) -> io::Result<Vec<PathBuf>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sol") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
