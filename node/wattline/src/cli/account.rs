//! `wattline account`: keys in encrypted files.

use std::path::{Path, PathBuf};

use alloy_signer_local::PrivateKeySigner;
use clap::{Args, Subcommand};
use commonware_cryptography::Signer as _;
use eyre::WrapErr;
use wattline_daemon::{keystore, password};

use super::peers::NODE_KEY;
use crate::node::node_key;

/// Make, import and list keys (Web3 Secret Storage).
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make a new key and store it encrypted
    New(Protected),
    /// Store an existing private key encrypted
    Import(Import),
    /// List the stored keys
    List(Directory),
    /// Print the public key by which peers know a node; makes the node's key if there is none
    NodeKey(NodeKey),
}

#[derive(Args, Debug)]
pub(crate) struct Directory {
    /// Directory of the key files
    #[arg(long, value_name = "DIR", default_value = "keystore")]
    keystore: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Protected {
    #[command(flatten)]
    directory: Directory,

    /// File whose first line is the password; asked for when absent
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// File whose first line is the private key: 32 bytes in hex. A file, because the command
    /// line of a process is visible to others
    #[arg(value_name = "KEYFILE")]
    key: PathBuf,

    #[command(flatten)]
    protected: Protected,
}

/// The key that a node connects and votes with. The Consortium contract and the `[[members]]` of a
/// genesis configuration name it, and so do bootnodes.
#[derive(Args, Debug)]
pub(crate) struct NodeKey {
    /// Directory of the node's data
    #[arg(long, value_name = "DIR", default_value = "wattline-data")]
    datadir: PathBuf,

    /// File of the key, if it lies elsewhere [default: node.key in the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "datadir")]
    node_key: Option<PathBuf>,
}

impl Account {
    pub(super) fn run(self) -> eyre::Result<()> {
        match self {
            Self::New(args) => args.store(&PrivateKeySigner::random()),
            Self::Import(args) => args.protected.store(&read_key(&args.key)?),
            Self::List(args) => {
                for (address, path) in keystore::list(&args.keystore)? {
                    println!("{address} {}", path.display());
                }
                Ok(())
            }
            Self::NodeKey(args) => {
                let file = args.node_key.unwrap_or_else(|| args.datadir.join(NODE_KEY));
                println!("0x{}", node_key(&file)?.public_key());
                Ok(())
            }
        }
    }
}

impl Protected {
    fn store(&self, key: &PrivateKeySigner) -> eyre::Result<()> {
        let password = match &self.password_file {
            Some(file) => password::from_file(file)?,
            None => password::choose("Password: ")?,
        };
        let path = keystore::store(&self.directory.keystore, &password, key)?;
        println!("{} {}", key.address(), path.display());
        Ok(())
    }
}

fn read_key(path: &Path) -> eyre::Result<PrivateKeySigner> {
    let text = std::fs::read_to_string(path)
        .wrap_err_with(|| format!("cannot read the key file {}", path.display()))?;
    text.lines()
        .next()
        .unwrap_or_default()
        .trim()
        .parse()
        .wrap_err_with(|| {
            format!(
                "{} does not start with a private key: 64 hex digits",
                path.display()
            )
        })
}
