//! An EVM with the precompile, and a contract that calls it with any opcode, gas and value and
//! says what it saw.

use crate::{DEFAULT_ADDRESS, abi::IBatchAuction, install::install};
use alloy_evm::{EthEvmFactory, Evm, EvmEnv, EvmFactory, eth::EthEvm, precompiles::PrecompilesMap};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use alloy_sol_types::SolCall;
use revm::{
    Database,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult},
        transaction::{AccessList, AccessListItem},
    },
    database::InMemoryDB,
    inspector::NoOpInspector,
    primitives::hardfork::SpecId,
    state::{AccountInfo, Bytecode},
};

/// The externally owned account that sends transactions.
pub const SENDER: Address = address!("0x1000000000000000000000000000000000000001");
/// The contract that calls the precompile.
pub const FORWARDER: Address = address!("0x2000000000000000000000000000000000000002");

/// Enough for any call of these tests.
pub const AMPLE_GAS: u64 = 1 << 40;

/// The EVM of these tests.
pub type TestEvm<DB> = EthEvm<DB, NoOpInspector, PrecompilesMap>;

/// An EVM of the Osaka fork over `db`, without limits on the gas of blocks and transactions, with
/// the auction at its default address.
pub fn evm<DB: alloy_evm::Database>(db: DB) -> TestEvm<DB> {
    let mut cfg_env = CfgEnv::new_with_spec(SpecId::OSAKA);
    cfg_env.tx_gas_limit_cap = Some(u64::MAX);
    let block_env = BlockEnv {
        gas_limit: u64::MAX,
        basefee: 0,
        ..Default::default()
    };
    let mut evm = EthEvmFactory::default().create_evm(db, EvmEnv { cfg_env, block_env });
    install(evm.precompiles_mut(), DEFAULT_ADDRESS);
    evm
}

/// The opcodes that call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CallOp {
    Call = 0xf1,
    CallCode = 0xf2,
    DelegateCall = 0xf4,
    StaticCall = 0xfa,
}

/// A call of the precompile by the forwarder.
#[derive(Clone, Debug)]
pub struct Request {
    pub op: CallOp,
    /// The precompile's address, unless another callee is wanted.
    pub callee: Address,
    pub gas: u64,
    pub value: u64,
    pub data: Bytes,
    /// Words in the forwarder's storage.
    pub storage: Vec<(U256, B256)>,
    /// Slots of the forwarder that the transaction's access list warms.
    pub warm: Vec<U256>,
}

impl Request {
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            op: CallOp::Call,
            callee: DEFAULT_ADDRESS,
            gas: AMPLE_GAS,
            value: 0,
            data: data.into(),
            storage: Vec::new(),
            warm: Vec::new(),
        }
    }

    /// `clearStored` over `words` in the forwarder's storage from `first_slot` on.
    pub fn stored(first_slot: U256, words: &[B256]) -> Self {
        let call = IBatchAuction::clearStoredCall {
            firstSlot: first_slot.into(),
            count: U256::from(words.len()),
        };
        let slots = (0..words.len()).map(|i| first_slot.wrapping_add(U256::from(i)));
        Self {
            storage: slots.zip(words.iter().copied()).collect(),
            ..Self::new(call.abi_encode())
        }
    }
}

/// What the forwarder saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// What the call opcode pushed.
    pub success: bool,
    /// What the precompile itself used.
    pub gas: u64,
    /// What it returned.
    pub output: Bytes,
}

impl Response {
    pub fn success(gas: u64, output: Vec<u8>) -> Self {
        Self {
            success: true,
            gas,
            output: output.into(),
        }
    }

    pub fn revert(gas: u64, error: &impl alloy_sol_types::SolError) -> Self {
        Self {
            success: false,
            gas,
            output: error.abi_encode().into(),
        }
    }

    /// All the gas is gone, and nothing comes back.
    pub fn out_of_gas(gas: u64) -> Self {
        Self {
            success: false,
            gas,
            output: Bytes::new(),
        }
    }
}

/// Calldata of `clear`.
pub fn clear(words: &[B256]) -> Vec<u8> {
    IBatchAuction::clearCall {
        orders: words.to_vec(),
    }
    .abi_encode()
}

/// Calldata of `fills`.
pub fn fills(words: &[B256]) -> Vec<u8> {
    IBatchAuction::fillsCall {
        orders: words.to_vec(),
    }
    .abi_encode()
}

/// Makes the call in a transaction of its own.
pub fn call(request: &Request) -> Response {
    call_in(&mut evm(InMemoryDB::default()), request)
}

/// Makes the call in an EVM that may hold other contracts, and changes nothing else in it.
pub fn call_in(evm: &mut TestEvm<InMemoryDB>, request: &Request) -> Response {
    place(evm.db_mut(), request);
    let result = evm.transact_raw(transaction(request)).unwrap().result;
    respond(request, result)
}

/// Makes the call over another database than the usual one.
pub fn try_call<DB: Database + alloy_evm::Database>(
    request: &Request,
    db: DB,
) -> Result<Response, EVMError<DB::Error>> {
    let result = evm(db).transact_raw(transaction(request))?.result;
    Ok(respond(request, result))
}

/// A database with the forwarder and its storage.
pub fn database(request: &Request) -> InMemoryDB {
    let mut db = InMemoryDB::default();
    place(&mut db, request);
    db
}

/// Puts the forwarder and its storage into a database, in place of any other forwarder.
pub fn place(db: &mut InMemoryDB, request: &Request) {
    let code = Bytecode::new_raw(forwarder(request));
    let balance = U256::from(u64::MAX);
    db.insert_account_info(
        FORWARDER,
        AccountInfo::from_bytecode(code).with_balance(balance),
    );
    let storage = request
        .storage
        .iter()
        .map(|(slot, word)| (*slot, (*word).into()))
        .collect();
    db.replace_account_storage(FORWARDER, storage).unwrap();
}

/// The transaction that makes the forwarder call.
pub fn transaction(request: &Request) -> TxEnv {
    TxEnv {
        tx_type: 1,
        caller: SENDER,
        kind: TxKind::Call(FORWARDER),
        gas_limit: u64::MAX,
        data: request.data.clone(),
        access_list: AccessList(vec![AccessListItem {
            address: FORWARDER,
            storage_keys: request.warm.iter().map(|slot| (*slot).into()).collect(),
        }]),
        ..Default::default()
    }
}

/// Bytecode that calls the callee with its own calldata, and returns the success flag, the gas
/// between two `GAS` opcodes around the call, and the returned data.
///
/// When the callee calls back, it is the Solidity reference, which cannot read its caller's
/// storage by itself: then the answer is that of `extsload(bytes32 first, uint256 count) returns
/// (bytes32[])`.
fn forwarder(request: &Request) -> Bytes {
    let mut code = vec![0x73]; // push20 callee
    code.extend(request.callee);
    let jump = [0x33, 0x14, 0x60, 0, 0x57]; // if callee == caller(): goto extsload
    let label = code.len() + 3;
    code.extend(jump);
    code.extend([
        0x36, 0x5f, 0x5f, 0x37, // calldatacopy(0, 0, calldatasize())
        0x5a, // gas()
        0x5f, 0x5f, 0x36, 0x5f, // no output area; input at 0, calldatasize() long
    ]);
    if matches!(request.op, CallOp::Call | CallOp::CallCode) {
        code.push(0x67); // push8 value
        code.extend(request.value.to_be_bytes());
    }
    code.push(0x73); // push20 callee
    code.extend(request.callee);
    code.push(0x67); // push8 gas
    code.extend(request.gas.to_be_bytes());
    code.push(request.op as u8);
    code.extend([
        0x5a, // gas(): the stack is [before, success, after]
        0x91, 0x82, 0x90, 0x03, 0x60, 0x20, 0x52, // mstore(32, before - after)
        0x5f, 0x52, // mstore(0, success)
        0x3d, 0x5f, 0x60, 0x40, 0x3e, // returndatacopy(64, 0, returndatasize())
        0x3d, 0x60, 0x40, 0x01, 0x5f, 0xf3, // return(0, 64 + returndatasize())
    ]);

    let extsload = u8::try_from(code.len()).unwrap();
    let [each, done] = [extsload + 13, extsload + 41];
    code[label] = extsload;
    code.extend([
        0x5b, 0x60, 0x20, 0x5f, 0x52, // extsload: mstore(0, 32)
        0x60, 0x24, 0x35, 0x80, 0x60, 0x20, 0x52, // mstore(32, count)
        0x5f, // i = 0: the stack is [count, i]
        0x5b, 0x81, 0x81, 0x10, 0x15, 0x60, done, 0x57, // each: if i >= count: goto done
        0x80, 0x60, 0x04, 0x35, 0x01, 0x54, // sload(first + i)
        0x81, 0x60, 0x05, 0x1b, 0x60, 0x40, 0x01, 0x52, // mstore(64 + 32 * i, it)
        0x60, 0x01, 0x01, 0x60, each, 0x56, // i += 1; goto each
        0x5b, 0x60, 0x05, 0x1b, 0x60, 0x40, 0x01, 0x5f, 0xf3, // done: return(0, 64 + 32 * i)
    ]);
    code.into()
}

/// Gas that the forwarder measures besides the callee's own.
fn overhead(request: &Request) -> u64 {
    let pushes = 2 + 2 + 2 + 2 + 3 + 3;
    let (value_push, value_cost) = match request.op {
        CallOp::DelegateCall | CallOp::StaticCall => (0, 0),
        _ if request.value == 0 => (3, 0),
        // The caller pays for the transfer, but gets the unused stipend back; the precompile has
        // no account yet, and would have to be given one.
        CallOp::Call if request.callee == DEFAULT_ADDRESS => (3, 9_000 - 2_300 + 25_000),
        CallOp::Call => (3, 9_000 - 2_300),
        CallOp::CallCode => (3, 9_000 - 2_300),
    };
    let warm_account = 100;
    let gas_opcode = 2;
    pushes + value_push + value_cost + warm_account + gas_opcode
}

fn respond(request: &Request, result: ExecutionResult) -> Response {
    let ExecutionResult::Success { output, .. } = result else {
        panic!("the forwarder itself failed: {result:?}");
    };
    let output = output.into_data();
    let measured = U256::from_be_slice(&output[32..64]).to::<u64>();
    Response {
        success: output[31] == 1,
        gas: measured - overhead(request),
        output: output.slice(64..),
    }
}
