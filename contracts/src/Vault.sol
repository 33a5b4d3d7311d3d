// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

import {Managed} from "./base/Managed.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Money} from "./libraries/Money.sol";
import {Predeploys} from "./libraries/Predeploys.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

/// @title The money ledger
/// @dev A debt is booked on both sides: the debtor owes it, and the creditor holds it as locked money that turns free
///      when the debt is paid. So an operator bears an unpaid charge without ever being able to withdraw it.
contract Vault is IVault, Managed {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    /// @dev One slot.
    struct Account {
        uint120 free;
        uint120 locked;
        bool indebted;
    }

    struct Debt {
        address creditor;
        uint256 amount;
    }

    IERC20 private constant TOKEN = IERC20(Predeploys.SETTLEMENT_TOKEN);

    mapping(address account => Account) private _accounts;
    /// @dev Oldest first; one entry per creditor, that is per operator the account's zone has had.
    mapping(address account => Debt[]) private _debts;
    int256 private _clearingBalance;

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
        _withdraw(msg.sender, amount);
    }

    /// @inheritdoc IVault
    function withdrawTo(address to, uint256 amount) external {
        if (to == address(0)) revert ZeroAddress();
        if (to == address(this)) revert WithdrawalToVault();
        _withdraw(to, amount);
    }

    /// @inheritdoc IVault
    function payDebt() external returns (uint256 paid) {
        Account memory balance = _accounts[msg.sender];
        uint256 free = balance.free;
        _credit(msg.sender, balance, 0);
        paid = free - balance.free;
        _store(msg.sender, balance);
    }

    // Money inside

    /// @inheritdoc IVault
    function lock(address account, uint256 amount) external only(Predeploys.MARKET) {
        Account memory balance = _accounts[account];
        if (balance.indebted) revert InDebt(account, _debtOf(account));
        if (balance.free < amount) revert InsufficientFree(account, balance.free, amount);
        balance.free -= amount.toUint120();
        balance.locked += amount.toUint120();
        _store(account, balance);
    }

    /// @inheritdoc IVault
    function unlock(address account, uint256 amount) external only(Predeploys.MARKET) {
        Account memory balance = _accounts[account];
        _takeLocked(account, balance, amount);
        _credit(account, balance, amount);
        _store(account, balance);
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
            _store(trade.account, balance);
            clearing += trade.paid.toInt256() - trade.received.toInt256();
        }
        if (clearing != _clearingBalance) {
            _clearingBalance = clearing;
            emit ClearingBalanceChanged(clearing);
        }
    }

    /// @inheritdoc IVault
    function bookDelivery(address account, address operator, uint256 released, int256 due)
        external
        only(Predeploys.SETTLEMENT)
    {
        Account memory balance = _accounts[account];
        _takeLocked(account, balance, released);
        balance.free += released.toUint120();
        // An operator that takes part in its own zone owes itself nothing.
        if (due != 0 && account != operator) _transferDelivery(account, balance, operator, due);
        // What is left pays older debts.
        _credit(account, balance, 0);
        _store(account, balance);
    }

    // Views

    /// @inheritdoc IVault
    function balanceOf(address account) public view returns (Balance memory) {
        Account storage balance = _accounts[account];
        return Balance({free: balance.free, locked: balance.locked, debt: _debtOf(account)});
    }

    /// @inheritdoc IVault
    function balancesOf(address[] calldata accounts) external view returns (Balance[] memory balances) {
        balances = new Balance[](accounts.length);
        for (uint256 i = 0; i < accounts.length; ++i) {
            balances[i] = balanceOf(accounts[i]);
        }
    }

    /// @inheritdoc IVault
    function debtTo(address account, address creditor) external view returns (uint256) {
        Debt[] storage debts = _debts[account];
        for (uint256 i = 0; i < debts.length; ++i) {
            if (debts[i].creditor == creditor) return debts[i].amount;
        }
        return 0;
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
        _store(account, balance);
        TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    function _withdraw(address to, uint256 amount) private {
        if (amount == 0) revert ZeroAmount();
        Account memory balance = _accounts[msg.sender];
        if (balance.indebted) revert InDebt(msg.sender, _debtOf(msg.sender));
        if (balance.free < amount) revert InsufficientFree(msg.sender, balance.free, amount);
        balance.free -= amount.toUint120();
        _store(msg.sender, balance);
        emit Withdrawn(msg.sender, to, amount);
        TOKEN.safeTransfer(to, amount);
    }

    /// @dev Moves `due` from the account, whose balance is in memory, to the operator, whose balance is stored.
    function _transferDelivery(address account, Account memory balance, address operator, int256 due) private {
        Account memory counterpart = _accounts[operator];
        (uint256 owed, uint256 earned) = Money.split(due);
        if (earned > counterpart.free) revert OperatorWithoutCover(operator, counterpart.free, earned);
        counterpart.free -= earned.toUint120();
        balance.free += earned.toUint120();

        uint256 paid = Math.min(owed, balance.free);
        balance.free -= paid.toUint120();
        counterpart.free += paid.toUint120();
        if (paid < owed) {
            uint256 unpaid = owed - paid;
            counterpart.locked += unpaid.toUint120();
            balance.indebted = true;
            _addDebt(account, operator, unpaid);
        }
        _store(operator, counterpart);
    }

    /// @dev Adds to an account's free money, paying its debts first.
    function _credit(address account, Account memory balance, uint256 amount) private {
        balance.free += amount.toUint120();
        if (!balance.indebted) return;

        Debt[] storage debts = _debts[account];
        bool open = false;
        for (uint256 i = 0; i < debts.length; ++i) {
            Debt storage debt = debts[i];
            uint256 pay = Math.min(debt.amount, balance.free);
            if (pay != 0) {
                debt.amount -= pay;
                balance.free -= pay.toUint120();
                address creditor = debt.creditor;
                Account memory counterpart = _accounts[creditor];
                counterpart.locked -= pay.toUint120();
                counterpart.free += pay.toUint120();
                _store(creditor, counterpart);
                emit DebtPaid(account, creditor, pay);
            }
            if (debt.amount != 0) open = true;
        }
        balance.indebted = open;
        if (!open) delete _debts[account];
    }

    function _addDebt(address account, address creditor, uint256 amount) private {
        Debt[] storage debts = _debts[account];
        uint256 i = 0;
        while (i < debts.length && debts[i].creditor != creditor) {
            ++i;
        }
        if (i == debts.length) debts.push(Debt({creditor: creditor, amount: amount}));
        else debts[i].amount += amount;
        emit DebtIncurred(account, creditor, amount);
    }

    function _takeLocked(address account, Account memory balance, uint256 amount) private pure {
        if (balance.locked < amount) revert InsufficientLocked(account, balance.locked, amount);
        balance.locked -= amount.toUint120();
    }

    function _store(address account, Account memory balance) private {
        _accounts[account] = balance;
        emit BalanceChanged(account, balance.free, balance.locked);
    }

    function _debtOf(address account) private view returns (uint256 total) {
        Debt[] storage debts = _debts[account];
        for (uint256 i = 0; i < debts.length; ++i) {
            total += debts[i].amount;
        }
    }
}
