//! How deep a block must be for reorganisations not to reach it.
//!
//! Clique has no votes on blocks, so nothing is final for ever. What follows from its rules is how
//! much a split of the network can undo. Of `n` signers each seals at most one of any
//! `floor(n/2) + 1` consecutive blocks; so many consecutive blocks therefore have as many signers,
//! more than half. Those who sealed on a block go on from it unless they see something heavier.
//! The others are fewer than so many and can extend a branch of their own by one block each before
//! they have to stop, with at most the difficulty of a block in turn.

use crate::DIFFICULTY_IN_TURN;

/// The highest block that more than half of the signers have sealed, itself or by a block on top.
/// A short competing branch whose blocks are in turn may still outweigh it.
pub const fn safe_number(head: u64, signers: usize) -> u64 {
    head.saturating_sub(signers as u64 / 2)
}

/// The highest block that no branch of the other signers can outweigh: more than half of the
/// signers have sealed on it, and what came on top since then is heavier than all that the others
/// can seal without them. It holds for signers who keep to the rules, while those that sealed on
/// the block hear of each other; the genesis block always qualifies. `difficulty` is that of the
/// canonical block of a number, and is asked for blocks from the head down.
///
/// # Errors
///
/// What `difficulty` returns.
pub fn settled_number<E>(
    head: u64,
    signers: usize,
    mut difficulty: impl FnMut(u64) -> Result<u64, E>,
) -> Result<u64, E> {
    let half = signers as u64 / 2;
    let others = (signers as u64).saturating_sub(half + 1);
    let most = others * DIFFICULTY_IN_TURN;
    let mut weight = 0_u64;
    for number in (1..=head).rev() {
        weight = weight.saturating_add(difficulty(number)?);
        if weight > most {
            // The majority's last seal is on `number` or above, so its first is `half` below.
            return Ok(number.saturating_sub(half));
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn settled(signers: usize, difficulties: &[u64]) -> u64 {
        let head = difficulties.len() as u64;
        let Ok(number) = settled_number(head, signers, |number| {
            Ok::<_, Infallible>(difficulties[number as usize - 1])
        });
        number
    }

    #[test]
    fn a_single_signer_settles_its_head() {
        assert_eq!(safe_number(7, 1), 7);
        assert_eq!(settled(1, &[2; 7]), 7);
        assert_eq!(settled(1, &[]), 0);
    }

    #[test]
    fn more_signers_take_more_blocks() {
        for (signers, safe, number) in [(2, 99, 99), (3, 99, 98), (4, 98, 97), (5, 98, 96)] {
            assert_eq!(safe_number(100, signers), safe, "{signers}");
            assert_eq!(settled(signers, &[2; 100]), number, "{signers}");
        }
        assert_eq!(settled(21, &[2; 100]), 80);
    }

    #[test]
    fn blocks_out_of_turn_settle_later() {
        // Two blocks in turn outweigh, as a tie of fewer blocks, three or four out of turn.
        assert_eq!(settled(5, &[1; 4]), 0);
        assert_eq!(settled(5, &[1; 5]), 0);
        assert_eq!(settled(5, &[1; 100]), 94);
        assert_eq!(settled(5, &[2, 1, 2, 1, 2, 1, 2, 1]), 3);
    }

    #[test]
    fn it_never_goes_back_as_the_chain_grows() {
        let mut difficulties = Vec::new();
        let mut before = 0;
        for step in 0..200_u64 {
            difficulties.push(1 + step * step % 3 % 2);
            let now = settled(7, &difficulties);
            assert!(now >= before);
            before = now;
        }
        assert!(before > 180);
    }

    #[test]
    fn a_short_chain_has_settled_its_genesis_block_only() {
        assert_eq!(safe_number(1, 9), 0);
        assert_eq!(settled(9, &[2, 2]), 0);
    }

    #[test]
    fn errors_are_passed_on() {
        assert_eq!(settled_number(3, 3, |_| Err("gone")), Err("gone"));
    }
}
