//! Watches the room that is left on the disk and in the database. While there is too little, the
//! pool takes no transactions: what the node has room for then lasts for the blocks that it must
//! still store, and its clients are told before anything fails.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use eyre::WrapErr;
use indicatif::BinaryBytes;
use metrics::{Unit, describe_gauge, gauge};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use wattline_pool::Pool;
use wattline_storage::{DatabaseSpace, Storage};

/// How often to look.
const INTERVAL: Duration = Duration::from_secs(2);
/// The part of a small disk that must be free, the reciprocal.
const DISK_PART: u64 = 20;
/// What must be left in the database.
const DATABASE_RESERVE: u64 = 64 << 20;
/// The part of a small database that must be left, the reciprocal.
const DATABASE_PART: u64 = 8;
/// By how much more than what was too little must be free again, the reciprocal: a node at the
/// bound must not change its mind with every block.
const HYSTERESIS_PART: u64 = 4;

const DISK_FREE: &str = "wattline_disk_free_bytes";
const DATABASE_USED: &str = "wattline_storage_used_bytes";
const DATABASE_MAX: &str = "wattline_storage_max_bytes";
const SUSPENDED: &str = "wattline_space_low";

/// How many bytes must be free on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinFree {
    /// As the operator said.
    Exactly(u64),
    /// So many, but no more than a part of the disk.
    AtMost(u64),
}

impl MinFree {
    fn on(self, disk: &Disk) -> u64 {
        match self {
            Self::Exactly(bytes) => bytes,
            Self::AtMost(bytes) => bytes.min(disk.total / DISK_PART),
        }
    }
}

/// A file system.
#[derive(Clone, Copy, Debug)]
struct Disk {
    /// Bytes that this process may still write.
    free: u64,
    /// Bytes of all of it.
    total: u64,
}

impl Disk {
    /// The file system of `path`.
    fn of(path: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    Disk { free: u64, least: u64 },
    Database { max: u64 },
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::Disk { free, least } => write!(
                f,
                "its disk has {} free, less than --disk.min-free, {}; its operator has to make room",
                BinaryBytes(free),
                BinaryBytes(least)
            ),
            Self::Database { max } => write!(
                f,
                "its database comes up to --db.max-size, {}; its operator has to restart it with a \
                 larger one",
                BinaryBytes(max)
            ),
        }
    }
}

/// What there is too little of for a node with its data in `directory`, given what there was too
/// little of before. Blocking: a disk may take its time to answer.
///
/// # Errors
///
/// When disk or database do not answer.
pub(crate) fn shortage(
    directory: &Path,
    storage: &Storage,
    min_free: MinFree,
    before: Option<Shortage>,
) -> eyre::Result<Option<Shortage>> {
    let disk =
        Disk::of(directory).wrap_err_with(|| format!("no answer for {}", directory.display()))?;
    let database = storage.space()?;
    gauge!(DISK_FREE).set(disk.free as f64);
    gauge!(DATABASE_USED).set(database.used as f64);
    gauge!(DATABASE_MAX).set(database.max as f64);
    Ok(judge(&disk, &database, min_free, before))
}

/// Says what there is too little of, given what there was too little of before.
fn judge(
    disk: &Disk,
    database: &DatabaseSpace,
    min_free: MinFree,
    before: Option<Shortage>,
) -> Option<Shortage> {
    let short = |left: u64, least: u64, before: bool| {
        let margin = if before { least / HYSTERESIS_PART } else { 0 };
        left < least.saturating_add(margin)
    };
    let least = min_free.on(disk);
    let before_disk = matches!(before, Some(Shortage::Disk { .. }));
    if short(disk.free, least, before_disk) {
        let free = disk.free;
        return Some(Shortage::Disk { free, least });
    }
    let max = database.max;
    let reserve = DATABASE_RESERVE.min(max / DATABASE_PART);
    let before_database = matches!(before, Some(Shortage::Database { .. }));
    short(database.left(), reserve, before_database).then_some(Shortage::Database { max })
}

/// The task that watches.
#[derive(Debug)]
pub(crate) struct SpaceWatcher {
    datadir: PathBuf,
    storage: Storage,
    pool: Pool,
    min_free: MinFree,
    shortage: Option<Shortage>,
    /// Whether the last look failed, which is said once.
    blind: bool,
}

impl SpaceWatcher {
    /// A watcher that has looked once.
    pub(crate) fn new(datadir: PathBuf, storage: Storage, pool: Pool, min_free: MinFree) -> Self {
        describe_gauge!(
            DISK_FREE,
            Unit::Bytes,
            "free on the disk of the data directory"
        );
        describe_gauge!(DATABASE_USED, Unit::Bytes, "pages of the database in use");
        describe_gauge!(DATABASE_MAX, Unit::Bytes, "size limit of the database");
        describe_gauge!(
            SUSPENDED,
            "1 while no transactions are taken for want of room"
        );
        let mut watcher = Self {
            datadir,
            storage,
            pool,
            min_free,
            shortage: None,
            blind: false,
        };
        watcher.look();
        watcher
    }

    /// Looks now and then, until `shutdown`.
    ///
    /// # Errors
    ///
    /// When a look ends in a panic.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> eyre::Result<()> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(INTERVAL) => {}
            }
            // A disk may take its time to answer.
            let look = move || {
                self.look();
                self
            };
            self = tokio::task::spawn_blocking(look)
                .await
                .wrap_err("cannot look for room")?;
        }
    }

    fn look(&mut self) {
        match shortage(&self.datadir, &self.storage, self.min_free, self.shortage) {
            Ok(shortage) => {
                self.blind = false;
                self.tell(shortage);
            }
            Err(error) if !std::mem::replace(&mut self.blind, true) => {
                warn!("cannot tell how much room is left: {error:#}");
            }
            Err(_) => {}
        }
    }

    /// Tells the pool and, when it changes, the operator.
    fn tell(&mut self, shortage: Option<Shortage>) {
        match (self.shortage, shortage) {
            (None, Some(shortage)) => warn!("no transactions are taken: {shortage}"),
            (Some(_), None) => info!("there is room again: transactions are taken"),
            _ => {}
        }
        gauge!(SUSPENDED).set(f64::from(u8::from(shortage.is_some())));
        self.pool
            .suspend(shortage.map(|shortage| shortage.to_string().into()));
        self.shortage = shortage;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn disk(free: u64) -> Disk {
        Disk {
            free,
            total: 100 * GIB,
        }
    }

    fn database(left: u64) -> DatabaseSpace {
        let max = 1 << 40;
        DatabaseSpace {
            used: max - left,
            max,
            is_full: false,
        }
    }

    #[test]
    fn a_shortage_ends_a_quarter_above_where_it_began() {
        let enough = database(GIB);
        let judge = |free, before| judge(&disk(free), &enough, MinFree::Exactly(GIB), before);
        assert_eq!(judge(GIB, None), None);
        let short = judge(GIB - 1, None);
        assert_eq!(
            short,
            Some(Shortage::Disk {
                free: GIB - 1,
                least: GIB
            })
        );
        assert!(judge(GIB + 255 * MIB, short).is_some());
        assert_eq!(judge(GIB + 256 * MIB, short), None);
    }

    #[test]
    fn nothing_free_is_enough_where_the_bound_is_zero() {
        let short = judge(&disk(0), &database(GIB), MinFree::Exactly(0), None);
        assert_eq!(short, None);
    }

    #[test]
    fn a_small_disk_need_not_have_the_default_free() {
        let small = |free| Disk {
            free,
            total: 200 * MIB,
        };
        let judge = |free| judge(&small(free), &database(GIB), MinFree::AtMost(GIB), None);
        assert_eq!(judge(10 * MIB), None);
        assert!(judge(10 * MIB - 1).is_some());
    }

    #[test]
    fn a_database_near_its_limit_is_a_shortage_that_names_the_option() {
        let judge = |left, before| {
            judge(
                &disk(50 * GIB),
                &database(left),
                MinFree::AtMost(GIB),
                before,
            )
        };
        assert_eq!(judge(64 * MIB, None), None);
        let short = judge(63 * MIB, None);
        assert_eq!(
            short.map(|short| short.to_string()).as_deref(),
            Some(
                "its database comes up to --db.max-size, 1.00 TiB; its operator has to restart it \
                 with a larger one"
            )
        );
        assert!(judge(79 * MIB, short).is_some());
        assert_eq!(judge(80 * MIB, short), None);
    }

    #[test]
    fn the_disk_of_this_test_has_a_size() {
        let disk = Disk::of(Path::new("/")).unwrap();
        assert!(disk.total >= disk.free && disk.total > 0, "{disk:?}");
        assert!(Disk::of(Path::new("/no such place")).is_err());
    }
}
