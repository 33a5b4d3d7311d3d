//! A node that is killed at any instant restarts by itself at a whole block and loses nothing it
//! acknowledged.

use std::{collections::BTreeMap, time::Duration};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, B256, TxKind, U256},
    providers::Provider,
    signers::local::PrivateKeySigner,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use wattline_testing::{CHAIN_ID, RunningNode, dev_key, wait_for_block};

/// How often the node is killed.
const KILLS: usize = 20;
/// Senders of the load.
const SENDERS: u32 = 8;
const SEED: u64 = 0xe1ec;

fn transfer(key: &PrivateKeySigner, nonce: u64, to: Address) -> eyre::Result<(B256, Vec<u8>)> {
    let mut tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        to: TxKind::Call(to),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = key.sign_transaction_sync(&mut tx)?;
    let signed = tx.into_signed(signature);
    Ok((
        *signed.hash(),
        alloy::consensus::TxEnvelope::from(signed).encoded_2718(),
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_load_the_chain_goes_on_and_keeps_what_it_acknowledged()
-> eyre::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut random = StdRng::seed_from_u64(SEED);
    let keys: Vec<_> = (0..SENDERS).map(dev_key).collect();
    let recipient = Address::with_last_byte(0x77);
    let mut nonces = vec![0_u64; keys.len()];
    let mut acknowledged: BTreeMap<B256, u64> = BTreeMap::new();
    let mut last_head = 0;

    for round in 0..KILLS {
        let mut node = RunningNode::dev_chain(dir.path())?;
        let provider = node.provider()?;
        let head = provider.get_block_number().await?;
        // A block that was announced was committed; only one being committed may be gone.
        assert!(
            head >= last_head,
            "round {round}: the head fell from {last_head} to {head}"
        );

        let lifetime = Duration::from_millis(random.random_range(300..2_500));
        let load = async {
            loop {
                for (index, key) in keys.iter().enumerate() {
                    let (hash, raw) = transfer(key, nonces[index], recipient)?;
                    match provider.send_raw_transaction(&raw).await {
                        Ok(_) => {
                            acknowledged.insert(hash, nonces[index]);
                            nonces[index] += 1;
                        }
                        // The journal may hold one that was taken but not acknowledged in time.
                        Err(error) if already_taken(&error.to_string()) => nonces[index] += 1,
                        // The load outruns the blocks: the next round of it finds room again.
                        Err(error) if error.to_string().contains("sender limit reached") => {}
                        Err(error) => return Err::<(), eyre::Report>(error.into()),
                    }
                }
                last_head = provider.get_block_number().await?;
            }
        };
        let ended = tokio::time::timeout(lifetime, load).await;
        if let Ok(Err(error)) = ended {
            return Err(error.wrap_err(format!("round {round}: the load failed")));
        }
        node.kill()?;
    }

    let node = RunningNode::dev_chain(dir.path())?;
    let provider = node.provider()?;
    let head = provider.get_block_number().await?;
    assert!(head >= last_head);
    wait_for_block(&provider, head + 3).await?;

    assert!(!acknowledged.is_empty(), "the load sent nothing");
    let mut statuses = BTreeMap::new();
    for number in 1..=provider.get_block_number().await? {
        let receipts = provider.get_block_receipts(number.into()).await?;
        let receipts = receipts.unwrap_or_else(|| panic!("block {number} was lost"));
        statuses.extend(receipts.iter().map(|it| (it.transaction_hash, it.status())));
    }
    for (hash, nonce) in &acknowledged {
        let status = statuses.get(hash);
        let status =
            status.unwrap_or_else(|| panic!("transaction {hash} (nonce {nonce}) was lost"));
        assert!(status, "transaction {hash} failed");
    }
    // They are found by their hashes, too.
    for hash in acknowledged.keys().step_by(100) {
        let receipt = provider.get_transaction_receipt(*hash).await?;
        let receipt = receipt.unwrap_or_else(|| panic!("transaction {hash} is not found"));
        assert!(receipt.status(), "transaction {hash} failed");
    }
    // Every transfer that is in the chain moved its one wei, in every state since.
    let mined: u64 = {
        let mut sum = 0;
        for (key, _) in keys.iter().zip(&nonces) {
            sum += provider.get_transaction_count(key.address()).await?;
        }
        sum
    };
    assert_eq!(provider.get_balance(recipient).await?, U256::from(mined));
    assert!(mined >= acknowledged.len() as u64);
    let status = node.stop()?;
    assert!(status.success(), "a clean stop ended with {status}");

    // The database is whole: every block can be executed again from the first.
    let datadir = dir.path().to_str().unwrap_or_default();
    let file = dir.path().join("chain.rlp");
    let file = file.to_str().unwrap_or_default();
    let (status, out, err) = crate::common::run(&["export", file, "--datadir", datadir])?;
    assert!(status.success(), "{err}");
    assert!(out.starts_with("exported "), "{out}");
    let copy = tempfile::tempdir()?;
    let copy_dir = copy.path().to_str().unwrap_or_default();
    let (status, out, err) =
        crate::common::run(&["import", file, "--datadir", copy_dir, "--chain", "dev"])?;
    assert!(status.success(), "{err}");
    assert!(out.contains("0 were there already"), "{out}");
    Ok(())
}

fn already_taken(message: &str) -> bool {
    message.contains("already known") || message.contains("nonce too low")
}
