//! Sharing work out between several views of one state, each of which serves one thread.

use crate::StorageResult;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` for each of `tasks`, side by side on as many threads as there are `views`. Tasks
/// differ in size by orders of magnitude, so whoever is free takes the next.
pub(super) fn share_out<V: Sync, T: Sync, R: Send>(
    views: &[V],
    tasks: &[T],
    work: impl Fn(&V, &T) -> StorageResult<R> + Sync,
) -> StorageResult<Vec<R>> {
    if let [view] = views {
        return tasks.iter().map(|task| work(view, task)).collect();
    }
    let next = AtomicUsize::new(0);
    let take = |view: &V| {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else {
                return Ok(done);
            };
            done.push((index, work(view, task)?));
        }
    };
    let done: StorageResult<Vec<Vec<(usize, R)>>> = views.par_iter().map(take).collect();
    let mut done: Vec<_> = done?.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
