// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title The money ledger
/// @notice Holds the participants' settlement tokens. Free money can be withdrawn or locked for orders; locked money
///         waits for a delivery to be settled. Only Market and Settlement move money inside it. All amounts are in
///         base units of the settlement token.
/// @dev The books always balance:
///      token balance = Σ free + Σ locked − Σ debts + clearingBalance.
interface IVault {
    /// @notice An account's money.
    /// @param free What it can withdraw or lock.
    /// @param locked What waits for deliveries to be settled, and what others owe it.
    /// @param debt What it owes.
    struct Balance {
        uint256 free;
        uint256 locked;
        uint256 debt;
    }

    /// @notice The money side of one order after clearing.
    /// @param account The trader; zero for a cancelled order, which moves nothing.
    /// @param paid What it pays out of its locked money.
    /// @param received What it gets, locked.
    /// @param freed What was locked too much.
    struct Trade {
        address account;
        uint256 paid;
        uint256 received;
        uint256 freed;
    }

    /// @notice The money side of one account's delivery.
    /// @param account The participant.
    /// @param released What was locked for the product.
    /// @param due What it owes the zone operator; negative: what the operator owes it.
    struct Delivery {
        address account;
        uint256 released;
        int256 due;
    }

    /// @notice A withdrawal that its account signed as EIP-712 typed data in the domain {name: "Wattline Vault", version: "1",
    ///         chainId, verifyingContract} with the type
    ///         `Withdrawal(address account,address to,uint256 amount,uint256 nonce,uint64 deadline)`, or that an account
    ///         which is a contract confirms by ERC-1271.
    /// @param account Whose money it is.
    /// @param to Where it goes.
    /// @param amount How much, in base units.
    /// @param nonce Any number that the account has not used before.
    /// @param deadline Until when it may be carried here, Unix seconds, itself included.
    struct Withdrawal {
        address account;
        address to;
        uint256 amount;
        uint256 nonce;
        uint64 deadline;
    }

    /// @notice `from` paid tokens in to the favour of `account`.
    event Deposited(address indexed account, address indexed from, uint256 amount);
    /// @notice An account cancelled a nonce: no withdrawal that it signed with it is taken any more.
    event NonceCancelled(address indexed account, uint256 indexed nonce);
    /// @notice `account` took tokens out, to `to`.
    event Withdrawn(address indexed account, address indexed to, uint256 amount);
    /// @notice An account's money changed to these amounts, by a deposit, a withdrawal or a debt that was paid or forgiven.
    ///         What orders, trades and deliveries move is told by the events of Market, Trades and Settlement.
    event BalanceChanged(address indexed account, uint256 free, uint256 locked);
    /// @notice The signed sum of payments taken and not yet passed on changed to this amount.
    event ClearingBalanceChanged(int256 balance);
    /// @notice `account` could not pay a charge in full and owes `creditor` another `amount`.
    event DebtIncurred(address indexed account, address indexed creditor, uint256 amount);
    /// @notice `account` paid `creditor` back `amount` of its debt, in money or because `creditor` came to owe it as much.
    event DebtPaid(address indexed account, address indexed creditor, uint256 amount);
    /// @notice `creditor` forgave `account` `amount` of its debt.
    event DebtForgiven(address indexed account, address indexed creditor, uint256 amount);

    /// @notice Only Market and Settlement may move money inside the vault.
    error NotMover(address caller);
    /// @notice The account has `free` of the `needed` money free.
    error InsufficientFree(address account, uint256 free, uint256 needed);
    /// @notice The account would have `free` left of the `security` that it must keep for its meters, or for its zone.
    error SecurityNeeded(address account, uint256 free, uint256 security);
    /// @notice The account has `locked` of the `needed` money locked.
    error InsufficientLocked(address account, uint256 locked, uint256 needed);
    /// @notice The account owes `debt` and must pay it before it orders or withdraws.
    error InDebt(address account, uint256 debt);
    /// @notice The account owes the caller nothing.
    error NoDebt(address account, address creditor);
    /// @notice The signed withdrawal's deadline has passed.
    error WithdrawalExpired(uint64 deadline);
    /// @notice The account used or cancelled the nonce before.
    error NonceUsed(address account, uint256 nonce);
    /// @notice The signature is not the account's over this withdrawal.
    error WrongSignature(address account);
    /// @notice An amount of zero moves nothing.
    error ZeroAmount();
    /// @notice An account that must not be zero is.
    error ZeroAddress();
    /// @notice Money cannot be taken out of the vault into the vault; `depositFor` pays another account.
    error WithdrawalToVault();
    /// @notice The vault has no account of its own: nobody could take the money out again.
    error DepositForVault();

    /// @notice Pays tokens of the caller in; they must be approved. Debts are paid first, the rest is free.
    function deposit(uint256 amount) external;
    /// @notice Pays tokens of the caller in to the favour of another account.
    function depositFor(address account, uint256 amount) external;
    /// @notice Pays tokens of the caller in, approved by its ERC-2612 signature.
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    /// @notice Takes free money out, as tokens, to the caller, down to its security (see IRegistry.securityOf).
    function withdraw(uint256 amount) external;
    /// @notice Takes free money out, as tokens, to another address.
    function withdrawTo(address to, uint256 amount) external;
    /// @notice Takes free money out as its account signed. Anyone may call: who lost the permission to transact, or never
    ///         had it, gets its money all the same.
    function withdrawBySig(Withdrawal calldata withdrawal, bytes calldata signature) external;
    /// @notice Cancels nonces of the caller.
    function cancelNonces(uint256[] calldata nonces) external;
    /// @notice Pays an account's debts out of its free money, oldest first, to `max` creditors at most. Anyone may call.
    ///         Whatever an account in debt receives goes this way by itself, but to a few creditors at a time.
    /// @return paid What was paid.
    function payDebts(address account, uint256 max) external returns (uint256 paid);
    /// @notice Forgives what `account` owes the caller, `amount` at most.
    /// @return forgiven What was forgiven.
    function forgive(address account, uint256 amount) external returns (uint256 forgiven);

    /// @notice Locks free money of an account without debts, of which `security` must stay free. Market only.
    function lock(address account, uint256 amount, uint256 security) external;
    /// @notice Frees locked money. Market only.
    function unlock(address account, uint256 amount) external;
    /// @notice Books the money side of cleared orders. Market only.
    function bookTrades(Trade[] calldata trades) external;
    /// @notice Frees what was locked for each delivery and moves what is due between the account and the zone operator.
    ///         What one of them cannot pay becomes its debt to the other: nothing waits for anybody's money. Settlement
    ///         only.
    function bookDeliveries(address operator, Delivery[] calldata deliveries) external;

    /// @notice An account's money.
    function balanceOf(address account) external view returns (Balance memory);
    /// @notice The money of many accounts.
    function balancesOf(address[] calldata accounts) external view returns (Balance[] memory);
    /// @notice Whether an account used or cancelled a nonce.
    function isNonceUsed(address account, uint256 nonce) external view returns (bool);
    /// @notice The EIP-712 digest that the account of a withdrawal signs.
    function withdrawalDigest(Withdrawal calldata withdrawal) external view returns (bytes32);
    /// @notice What `account` owes `creditor`.
    function debtTo(address account, address creditor) external view returns (uint256);
    /// @notice Payments taken less payments passed on; zero unless a product's orders are settled in part only.
    function clearingBalance() external view returns (int256);
}
