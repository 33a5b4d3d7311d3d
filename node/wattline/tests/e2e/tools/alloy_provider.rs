//! alloy's provider over HTTP and WebSocket, with the fillers it recommends.

use alloy::{
    consensus::TxType,
    eips::BlockId,
    network::{BlockResponse, ReceiptResponse, TransactionBuilder, TransactionBuilder7702},
    primitives::{Address, B256, Bytes, U256},
    providers::{Provider, ProviderBuilder, WsConnect},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
    sol_types::SolEvent,
};
use eyre::{OptionExt, eyre};
use futures::StreamExt;
use wattline_market::{abi::ISettlementToken, predeploys::SETTLEMENT_TOKEN};
use wattline_testing::{CHAIN_ID, PATIENCE, RunningNode, dev_key};

use super::forge::{self, Tariff};

/// Takes the next item of a subscription.
async fn next<T>(stream: &mut (impl StreamExt<Item = T> + Unpin)) -> eyre::Result<T> {
    tokio::time::timeout(PATIENCE, stream.next())
        .await
        .map_err(|_| eyre!("nothing came"))?
        .ok_or_eyre("the subscription ended")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alloy_subscribes_and_sends() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let socket = WsConnect::new(node.url.replacen("http", "ws", 1));
    let provider = ProviderBuilder::new()
        .wallet(dev_key(1))
        .connect_ws(socket)
        .await?;
    assert_eq!(provider.get_chain_id().await?, CHAIN_ID);

    let code = forge::artifact("Tariff").await?;
    let code: Bytes = code["bytecode"]["object"]
        .as_str()
        .ok_or_eyre("no code")?
        .parse()?;
    let receipt =
        provider
            .send_transaction(TransactionRequest::default().with_deploy_code(
                [code.as_ref(), &U256::from(40_000).to_be_bytes::<32>()].concat(),
            ))
            .await?
            .get_receipt()
            .await?;
    assert_eq!(receipt.transaction_type(), TxType::Eip1559);
    let address = receipt.contract_address().ok_or_eyre("no contract")?;
    let tariff = Tariff::new(address, &provider);

    let mut blocks = provider.subscribe_blocks().await?.into_stream();
    let mut hashes = provider
        .subscribe_pending_transactions()
        .await?
        .into_stream();
    let mut bodies = provider
        .subscribe_full_pending_transactions()
        .await?
        .into_stream();
    let mut changes = tariff
        .PriceChanged_filter()
        .subscribe()
        .await?
        .into_stream();

    let sent = tariff.setPrice(28_000).send().await?;
    let hash = *sent.tx_hash();
    assert_eq!(next(&mut hashes).await?, hash);
    let body = next(&mut bodies).await?;
    assert_eq!(*body.inner.tx_hash(), hash);
    let receipt = sent.get_receipt().await?;
    assert!(receipt.status());
    let (change, log) = next(&mut changes).await??;
    assert_eq!(change.publisher, dev_key(1).address());
    assert_eq!(change.price, 28_000);
    assert_eq!(log.transaction_hash, Some(hash));
    assert_eq!(log.block_hash, receipt.block_hash());
    assert_eq!(log.topic0(), Some(&Tariff::PriceChanged::SIGNATURE_HASH));

    // Blocks come without gaps, and one of them holds the transaction.
    let mut parent: Option<B256> = None;
    loop {
        let header = next(&mut blocks).await?;
        if let Some(parent) = parent {
            assert_eq!(header.parent_hash, parent);
        }
        parent = Some(header.hash);
        if Some(header.hash) == receipt.block_hash() {
            break;
        }
    }
    assert_eq!(tariff.price().call().await?, 28_000);

    let refused = tariff.setPrice(40_001).call().await.err();
    let refused = refused.ok_or_eyre("a price beyond the bound was taken")?;
    let reason = refused
        .as_decoded_error::<Tariff::PriceTooHigh>()
        .ok_or_else(|| eyre!("{refused}"))?;
    assert_eq!((reason.price, reason.maxPrice), (40_001, 40_000));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alloy_sends_every_type_from_an_account_without_coins() -> eyre::Result<()> {
    let node = RunningNode::new_dev_chain()?;
    let owner = PrivateKeySigner::random();
    let bank = node.wallet(dev_key(0))?;
    let minted = ISettlementToken::new(SETTLEMENT_TOKEN, &bank)
        .mint(owner.address(), U256::from(100))
        .send()
        .await?
        .get_receipt()
        .await?;
    assert!(minted.status());
    let provider = node.wallet(owner.clone())?;
    assert_eq!(provider.get_balance(owner.address()).await?, U256::ZERO);

    let token = ISettlementToken::new(SETTLEMENT_TOKEN, &provider);
    let to = Address::repeat_byte(0x42);
    let transfer = || {
        token
            .transfer(to, U256::from(10))
            .into_transaction_request()
            .with_from(owner.address())
    };
    // Of its own, alloy offers at least one wei.
    let free = || {
        transfer()
            .with_max_fee_per_gas(0)
            .with_max_priority_fee_per_gas(0)
    };
    let delegate = Address::repeat_byte(0xde);
    let authorization = alloy::eips::eip7702::Authorization {
        chain_id: U256::from(CHAIN_ID),
        address: delegate,
        nonce: 4,
    };
    let signature = owner.sign_hash_sync(&authorization.signature_hash())?;
    for (request, transaction_type) in [
        (free(), TxType::Eip1559),
        (transfer().with_gas_price(0), TxType::Legacy),
        (
            transfer().with_gas_price(0).access_list(Default::default()),
            TxType::Eip2930,
        ),
        (
            free().with_authorization_list(vec![authorization.into_signed(signature)]),
            TxType::Eip7702,
        ),
    ] {
        let receipt = provider
            .send_transaction(request)
            .await?
            .get_receipt()
            .await?;
        assert!(receipt.status());
        assert_eq!(receipt.transaction_type(), transaction_type);
        assert_eq!(receipt.effective_gas_price(), 0);
    }
    assert_eq!(token.balanceOf(to).call().await?, U256::from(40));
    let code = provider.get_code_at(owner.address()).await?;
    assert_eq!(code, [&[0xef, 0x01, 0x00], delegate.as_slice()].concat());
    let latest = provider.get_block(BlockId::latest()).await?;
    assert!(latest.ok_or_eyre("no head")?.header().number >= 4);
    Ok(())
}
