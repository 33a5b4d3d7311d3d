// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.30;

/// @title Where a node is reached
library Endpoint {
    /// @dev A DNS name has 253 characters at most; a colon and a port follow.
    uint256 private constant MAX_HOST = 253;

    /// @notice Whether this is `host:port`: a DNS name or an IPv4 address, or an IPv6 address in brackets, and a port
    ///         from 1 to 65535 without leading zeros.
    function isValid(string calldata endpoint) internal pure returns (bool) {
        bytes calldata text = bytes(endpoint);
        uint256 colon = text.length;
        uint256 port = 0;
        uint256 unit = 1;
        while (colon != 0 && _isDigit(text[colon - 1]) && unit <= 10_000) {
            port += unit * (uint8(text[--colon]) - 0x30);
            unit *= 10;
        }
        // A leading zero adds a digit and nothing to the number.
        if (port == 0 || port > type(uint16).max || port * 10 < unit) return false;
        if (colon == 0 || text[colon - 1] != ":") return false;
        return _isHost(text[:colon - 1]);
    }

    function _isHost(bytes calldata host) private pure returns (bool) {
        uint256 length = host.length;
        if (length == 0 || length > MAX_HOST) return false;
        bool bracketed = host[0] == "[";
        if (bracketed && (length < 4 || host[length - 1] != "]")) return false;
        (uint256 from, uint256 to) = bracketed ? (1, length - 1) : (0, length);
        for (uint256 i = from; i < to; ++i) {
            if (!(bracketed ? _isOfAddress(host[i]) : _isOfName(host[i]))) return false;
        }
        return true;
    }

    /// @dev Digits, letters, hyphens and dots.
    function _isOfName(bytes1 c) private pure returns (bool) {
        return _isDigit(c) || _isBetween(c | 0x20, "a", "z") || c == "-" || c == ".";
    }

    /// @dev Hexadecimal digits, colons, and the dots of an IPv4 address at the end.
    function _isOfAddress(bytes1 c) private pure returns (bool) {
        return _isDigit(c) || _isBetween(c | 0x20, "a", "f") || c == ":" || c == ".";
    }

    function _isDigit(bytes1 c) private pure returns (bool) {
        return _isBetween(c, "0", "9");
    }

    function _isBetween(bytes1 c, bytes1 low, bytes1 high) private pure returns (bool) {
        return low <= c && c <= high;
    }
}
