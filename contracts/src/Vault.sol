// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IRegistry} from "./interfaces/IRegistry.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Money} from "./libraries/Money.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {EIP712Upgradeable} from "@openzeppelin/contracts-upgradeable/utils/cryptography/EIP712Upgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";

/// @title The money ledger
/// @dev A debt is booked on both sides: the debtor owes it, and the creditor holds it as locked money that turns free
///      when the debt is paid. So an operator bears an unpaid charge without ever being able to withdraw it.
contract Vault is IVault, EIP712Upgradeable, Managed {
    using BitMaps for BitMaps.BitMap;
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev One slot.
    struct Account {
        uint120 free;
        uint120 locked;
        bool indebted;
    }

    struct Debt {
        uint120 amount;
        bool queued;
    }

    /// @dev What one account owes. Its creditors stand in a queue, oldest debt first; one whose debt was set off or forgiven
    ///      stays there until its turn comes.
    struct Debts {
        uint64 first;
        uint64 end;
        uint128 total;
        mapping(uint256 place => address creditor) queue;
        mapping(address creditor => Debt) to;
    }

    /// @dev How many creditors a credit pays by itself, so that its cost has a bound.
    uint256 private constant CREDITORS_AT_ONCE = 8;

    bytes32 private constant WITHDRAWAL_TYPEHASH =
        keccak256("Withdrawal(address account,address to,uint256 amount,uint256 nonce,uint64 deadline)");

    IERC20 private constant TOKEN = IERC20(Predeploys.SETTLEMENT_TOKEN);
    IRegistry private constant REGISTRY = IRegistry(Predeploys.REGISTRY);

    mapping(address account => Account) private _accounts;
    mapping(address account => Debts) private _debts;
    int256 private _clearingBalance;
    mapping(address account => BitMaps.BitMap) private _nonces;

    modifier only(address mover) {
        if (msg.sender != mover) revert NotMover(msg.sender);
        _;
    }

    /// @notice Sets up the proxy.
    function initialize() external initializer {
        __Managed_init();
    }

    // Money in and out

    /// @inheritdoc IVault
    function deposit(uint256 amount) external {
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function depositFor(address account, uint256 amount) external {
        if (account == address(0)) revert ZeroAddress();
        if (account == address(this)) revert DepositForVault();
        _deposit(account, amount);
    }

    /// @inheritdoc IVault
    function depositWithPermit(uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external {
        // Anybody who sees the permit can use it first; then the allowance is there and the permit may fail.
        try IERC20Permit(address(TOKEN)).permit(msg.sender, address(this), amount, deadline, v, r, s) {}
        catch (bytes memory reason) {
            if (TOKEN.allowance(msg.sender, address(this)) < amount) {
                LowLevelCall.bubbleRevert(reason);
            }
        }
        _deposit(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function withdraw(uint256 amount) external {
        _withdraw(msg.sender, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function withdrawTo(address to, uint256 amount) external {
        _withdraw(msg.sender, to, amount);
    }

    /// @inheritdoc IVault
    function withdrawBySig(Withdrawal calldata withdrawal, bytes calldata signature) external {
        (address account, uint256 nonce) = (withdrawal.account, withdrawal.nonce);
        if (block.timestamp > withdrawal.deadline) revert WithdrawalExpired(withdrawal.deadline);
        if (_nonces[account].get(nonce)) revert NonceUsed(account, nonce);
        _nonces[account].set(nonce);
        if (!SignatureChecker.isValidSignatureNowCalldata(account, withdrawalDigest(withdrawal), signature)) {
            revert WrongSignature(account);
        }
        _withdraw(account, withdrawal.to, withdrawal.amount);
    }

    /// @inheritdoc IVault
    function cancelNonces(uint256[] calldata nonces) external {
        for (uint256 i = 0; i < nonces.length; ++i) {
            _nonces[msg.sender].set(nonces[i]);
            emit NonceCancelled(msg.sender, nonces[i]);
        }
    }

    /// @inheritdoc IVault
    function payDebts(address account, uint256 max) external returns (uint256) {
        return _accounts[account].indebted ? _payDebts(account, max) : 0;
    }

    /// @inheritdoc IVault
    function forgive(address account, uint256 amount) external returns (uint256 forgiven) {
        Debts storage debts = _debts[account];
        forgiven = _lessen(debts, msg.sender, amount);
        if (forgiven == 0) revert NoDebt(account, msg.sender);
        emit DebtForgiven(account, msg.sender, forgiven);
        Account memory creditor = _accounts[msg.sender];
        creditor.locked -= forgiven.toUint120();
        _store(msg.sender, creditor);
        if (debts.total == 0) _accounts[account].indebted = false;
    }

    // Money inside

    /// @inheritdoc IVault
    function lock(address account, uint256 amount, uint256 security) external only(Predeploys.MARKET) {
        Account memory balance = _accounts[account];
        if (balance.indebted) revert InDebt(account, _debts[account].total);
        if (balance.free < amount) revert InsufficientFree(account, balance.free, amount);
        balance.free -= amount.toUint120();
        if (balance.free < security) revert SecurityNeeded(account, balance.free, security);
        balance.locked += amount.toUint120();
        _accounts[account] = balance;
    }

    /// @inheritdoc IVault
    function unlock(address account, uint256 amount) external only(Predeploys.MARKET) {
        Account memory balance = _accounts[account];
        _takeLocked(account, balance, amount);
        _credit(account, balance, amount);
    }

    /// @inheritdoc IVault
    function bookTrades(Trade[] calldata trades) external only(Predeploys.MARKET) {
        int256 clearing = _clearingBalance;
        for (uint256 i = 0; i < trades.length; ++i) {
            Trade calldata trade = trades[i];
            if (trade.account == address(0)) continue; // a cancelled order
            Account memory balance = _accounts[trade.account];
            _takeLocked(trade.account, balance, trade.paid + trade.freed);
            balance.locked += trade.received.toUint120();
            _credit(trade.account, balance, trade.freed);
            clearing += trade.paid.toInt256() - trade.received.toInt256();
        }
        if (clearing != _clearingBalance) {
            _clearingBalance = clearing;
            emit ClearingBalanceChanged(clearing);
        }
    }

    /// @inheritdoc IVault
    function bookDeliveries(address operator, Delivery[] calldata deliveries) external only(Predeploys.SETTLEMENT) {
        Account memory counterpart = _accounts[operator];
        for (uint256 i = 0; i < deliveries.length; ++i) {
            Delivery calldata delivery = deliveries[i];
            if (delivery.account == operator) {
                // An operator that takes part in its own zone owes itself nothing.
                _takeLocked(operator, counterpart, delivery.released);
                counterpart.free += delivery.released.toUint120();
                continue;
            }
            Account memory balance = _accounts[delivery.account];
            _takeLocked(delivery.account, balance, delivery.released);
            _transferDelivery(balance, delivery, operator, counterpart);
            _accounts[delivery.account] = balance;
            if (balance.indebted && balance.free != 0) {
                // The operator may be among the creditors.
                _accounts[operator] = counterpart;
                _payDebts(delivery.account, CREDITORS_AT_ONCE);
                counterpart = _accounts[operator];
            }
        }
        _credit(operator, counterpart, 0);
    }

    // Views

    /// @inheritdoc IVault
    function balanceOf(address account) public view returns (Balance memory) {
        Account storage balance = _accounts[account];
        return Balance({free: balance.free, locked: balance.locked, debt: _debts[account].total});
    }

    /// @inheritdoc IVault
    function balancesOf(address[] calldata accounts) external view returns (Balance[] memory balances) {
        balances = new Balance[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            balances[i] = balanceOf(accounts[i]);
        }
    }

    /// @inheritdoc IVault
    function isNonceUsed(address account, uint256 nonce) external view returns (bool) {
        return _nonces[account].get(nonce);
    }

    /// @inheritdoc IVault
    function withdrawalDigest(Withdrawal calldata withdrawal) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    WITHDRAWAL_TYPEHASH,
                    withdrawal.account,
                    withdrawal.to,
                    withdrawal.amount,
                    withdrawal.nonce,
                    withdrawal.deadline
                )
            )
        );
    }

    /// @inheritdoc IVault
    function debtTo(address account, address creditor) external view returns (uint256) {
        return _debts[account].to[creditor].amount;
    }

    /// @inheritdoc IVault
    function clearingBalance() external view returns (int256) {
        return _clearingBalance;
    }

    // Internals

    function _deposit(address account, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        emit Deposited(account, msg.sender, amount);
        Account memory balance = _accounts[account];
        _credit(account, balance, amount);
        balance = _accounts[account];
        emit BalanceChanged(account, balance.free, balance.locked);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _withdraw(address account, address to, uint256 amount) private {
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert WithdrawalToVault();
        if (amount == 0) revert ZeroAmount();
        Account memory balance = _accounts[account];
        if (balance.indebted) revert InDebt(account, _debts[account].total);
        if (balance.free < amount) revert InsufficientFree(account, balance.free, amount);
        balance.free -= amount.toUint120();
        uint256 security = REGISTRY.securityOf(account);
        if (balance.free < security) revert SecurityNeeded(account, balance.free, security);
        _store(account, balance);
        emit Withdrawn(account, to, amount);
        TOKEN.safeTransfer(to, amount);
    }

    /// @dev Moves what is due for a delivery, and what is released for it. All in memory, but for debts.
    function _transferDelivery(
        Account memory balance,
        Delivery calldata delivery,
        address operator,
        Account memory counterpart
    ) private {
        (uint256 owed, uint256 earned) = Money.split(delivery.due);
        // Who is in debt pays out of what the product itself releases; the rest is promised to older creditors.
        uint256 available = delivery.released + (balance.indebted ? 0 : balance.free);
        balance.free += delivery.released.toUint120();
        if (owed != 0) _charge(delivery.account, balance, available, operator, counterpart, owed);
        available = counterpart.indebted ? 0 : counterpart.free;
        if (earned != 0) _charge(operator, counterpart, available, delivery.account, balance, earned);
    }

    /// @dev Moves `amount` from a debtor to a creditor. What they owe each other is set off first, and what the debtor has
    ///      not available becomes a debt, which the creditor holds as locked money.
    function _charge(
        address debtor,
        Account memory from,
        uint256 available,
        address creditor,
        Account memory to,
        uint256 amount
    ) private {
        if (to.indebted) {
            uint256 setOff = _lessen(_debts[creditor], debtor, amount);
            if (setOff != 0) {
                from.locked -= setOff.toUint120();
                to.indebted = _debts[creditor].total != 0;
                amount -= setOff;
                emit DebtPaid(creditor, debtor, setOff);
            }
        }
        uint120 paid = Math.min(amount, available).toUint120();
        from.free -= paid;
        to.free += paid;
        if (paid == amount) return;

        uint120 unpaid = (amount - paid).toUint120();
        to.locked += unpaid;
        from.indebted = true;
        Debts storage debts = _debts[debtor];
        Debt storage debt = debts.to[creditor];
        debts.total += unpaid;
        debt.amount += unpaid;
        if (!debt.queued) {
            debt.queued = true;
            debts.queue[debts.end++] = creditor;
        }
        emit DebtIncurred(debtor, creditor, unpaid);
    }

    /// @dev Takes `amount`, or what there is of it, off what is owed to a creditor.
    function _lessen(Debts storage debts, address creditor, uint256 amount) private returns (uint256 less) {
        Debt storage debt = debts.to[creditor];
        less = Math.min(amount, debt.amount);
        debt.amount -= less.toUint120();
        debts.total -= less.toUint128();
    }

    /// @dev Adds to an account's free money, of which debts are paid first, and stores it.
    function _credit(address account, Account memory balance, uint256 amount) private {
        balance.free += amount.toUint120();
        _accounts[account] = balance;
        if (balance.indebted && balance.free != 0) _payDebts(account, CREDITORS_AT_ONCE);
    }

    /// @dev Pays the debts of an account out of its free money, oldest first. All in storage. A creditor that is in debt
    ///      itself can do nothing with what it gets but pay it on.
    function _payDebts(address account, uint256 max) private returns (uint256 paid) {
        Account memory balance = _accounts[account];
        Debts storage debts = _debts[account];
        (uint64 first, uint64 end) = (debts.first, debts.end);
        for (; max != 0 && first != end; --max) {
            address creditor = debts.queue[first];
            uint120 part = _lessen(debts, creditor, balance.free - paid).toUint120();
            if (part != 0) {
                paid += part;
                Account memory counterpart = _accounts[creditor];
                counterpart.locked -= part;
                counterpart.free += part;
                _store(creditor, counterpart);
                emit DebtPaid(account, creditor, part);
            }
            if (debts.to[creditor].amount != 0) break;
            debts.to[creditor].queued = false;
            delete debts.queue[first++];
        }
        debts.first = first;
        balance.free -= paid.toUint120();
        balance.indebted = debts.total != 0;
        _store(account, balance);
    }

    function _takeLocked(address account, Account memory balance, uint256 amount) private pure {
        if (balance.locked < amount) revert InsufficientLocked(account, balance.locked, amount);
        balance.locked -= amount.toUint120();
    }

    function _store(address account, Account memory balance) private {
        _accounts[account] = balance;
        emit BalanceChanged(account, balance.free, balance.locked);
    }

    function _EIP712Name() internal pure override returns (string memory) {
        return "Wattline Vault";
    }

    function _EIP712Version() internal pure override returns (string memory) {
        return "1";
    }
}
