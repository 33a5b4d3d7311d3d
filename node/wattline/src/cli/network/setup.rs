//! The first start of a network: keys and a genesis file.

use std::{fs, io::Write as _, path::Path};

use alloy_primitives::{B256, hex};
use alloy_signer_local::PrivateKeySigner;
use commonware_cryptography::Signer as _;
use eyre::WrapErr;
use tempfile::NamedTempFile;
use wattline_chainspec::ChainSpec;
use wattline_daemon::keystore;
use wattline_genesis::{FirstMember, MemberRole, Nodes, to_json, with_nodes};

use super::{
    ChainChoice,
    directory::{NodeDir, PASSWORD, SIGNER},
};
use crate::{cli::peers::NODE_KEY, node::node_key, spec::GENESIS_FILE};

/// Makes the keys of `nodes` and their genesis file from `base`, and returns the new chain. All of
/// it is made in a scratch directory first, so that what fails leaves nothing.
///
/// # Errors
///
/// When something cannot be written, or `base` cannot take members.
pub(super) fn make(
    path: &Path,
    nodes: &[NodeDir],
    base: &ChainSpec,
    choice: &ChainChoice,
) -> eyre::Result<ChainSpec> {
    let made = || format!("cannot make a network in {}", path.display());
    fs::create_dir_all(path).wrap_err_with(made)?;
    let scratch = tempfile::Builder::new()
        .prefix(".first-start-")
        .tempdir_in(path)
        .wrap_err_with(made)?;
    // As hard to guess as what it protects.
    let password = hex::encode(PrivateKeySigner::random().to_bytes());
    write(&scratch.path().join(PASSWORD), &password)?;
    let mut changed = Nodes {
        period_milliseconds: choice.period_ms,
        epoch: choice.epoch,
        ..Nodes::default()
    };
    for node in nodes {
        let member = member(node, &scratch.path().join(&node.name), &password)?;
        if node.is_validator {
            changed.signers.push(member.signer);
        }
        changed.members.push(member);
    }
    let genesis = with_nodes(base.genesis().clone(), &changed)
        .wrap_err("cannot make the network's genesis file")?;
    write(
        &scratch.path().join(GENESIS_FILE),
        to_json(&genesis)?.trim_end(),
    )?;
    let names = nodes.iter().map(|node| node.name.as_str());
    for name in names.chain([PASSWORD, GENESIS_FILE]) {
        fs::rename(scratch.path().join(name), path.join(name)).wrap_err_with(made)?;
    }
    Ok(ChainSpec::from_genesis(genesis)?)
}

/// A member of the consortium, whose keys are made in `path`.
fn member(node: &NodeDir, path: &Path, password: &str) -> eyre::Result<FirstMember> {
    let signer = PrivateKeySigner::random();
    keystore::save(path, SIGNER, password, &signer)?;
    let key = node_key(&path.join(NODE_KEY))?.public_key();
    Ok(FirstMember {
        name: node.name.clone(),
        signer: signer.address(),
        node_key: Some(B256::from_slice(key.as_ref())),
        address: format!("127.0.0.1:{}", node.ports.p2p),
        role: if node.is_validator {
            MemberRole::Validator
        } else {
            MemberRole::Observer
        },
    })
}

/// Writes a file whole or not at all, for its owner alone.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn write(file: &Path, text: &str) -> eyre::Result<()> {
    let directory = file.parent().unwrap_or_else(|| Path::new("."));
    let written = || -> eyre::Result<()> {
        let mut scratch = NamedTempFile::new_in(directory)?;
        scratch.write_all(text.as_bytes())?;
        scratch.write_all(b"\n")?;
        scratch.persist(file)?;
        Ok(())
    };
    written().wrap_err_with(|| format!("cannot write {}", file.display()))
}
