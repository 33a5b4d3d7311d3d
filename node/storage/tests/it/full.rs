//! A full database and a full disk: errors that can be acted on, nothing damaged, and on it goes.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};
use wattline_storage::{
    StorageConfig, StorageError,
    test_utils::{self, Op, TestChain, genesis_world},
};

/// Changes many slots; every block others.
fn fill(chain: &TestChain) -> Vec<Op> {
    let round = chain.head().number as u16;
    (0..1_000)
        .map(|n| {
            Op::Set(
                16,
                round.wrapping_mul(1_000).wrapping_add(n),
                1 + u64::from(n),
            )
        })
        .collect()
}

/// Appends until there is no room; returns the error.
fn append_until_full(chain: &mut TestChain) -> StorageError {
    for _ in 0..400 {
        let ops = fill(chain);
        if let Err(error) = chain.try_append(&ops) {
            return error;
        }
    }
    panic!("there was room for everything");
}

#[test]
fn a_full_database_says_so_and_goes_on_with_a_larger_limit() {
    let config = |max_size| StorageConfig {
        max_size: Some(max_size),
        growth_step: Some(1 << 20),
        history: None,
    };
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new_with(dir.path(), &config(4 << 20));
    assert_eq!(chain.storage.space().unwrap().max, 4 << 20);
    let error = append_until_full(&mut chain);
    assert!(matches!(error, StorageError::MapFull), "{error}");
    assert!(error.to_string().contains("--db.max-size"), "{error}");
    assert!(chain.head().number > 2);
    // Again, and reading goes on.
    assert!(matches!(
        append_until_full(&mut chain),
        StorageError::MapFull
    ));
    chain.assert_head();
    let space = chain.storage.space().unwrap();
    assert!(space.is_full && space.left() == 0, "{space:?}");

    // Without the option the limit is as before; with a larger one there is room.
    for (max_size, expected) in [(None, 4 << 20), (Some(64 << 20), 64 << 20)] {
        drop(chain.storage);
        let config = StorageConfig {
            max_size,
            ..StorageConfig::default()
        };
        chain.storage = test_utils::open_with(dir.path(), &genesis_world(), &config).unwrap();
        let space = chain.storage.space().unwrap();
        assert_eq!(space.max, expected);
        assert_eq!(space.left(), expected - space.used);
        chain.assert_head();
    }
    let ops = fill(&chain);
    chain.append(&ops);
    chain.assert_head();
}

/// A small file system in memory, as long as it lives.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this process may not mount one.
    fn mount(mebibytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            refused => {
                eprintln!("SKIPPED: no file system can be mounted here: {refused:?}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    fn fill_up(&self) {
        let file = self.path().join("filler");
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(file)
            .unwrap();
        let zeros = vec![0; 4096];
        while file.write_all(&zeros).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_damages_nothing_and_the_next_block_is_stored_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(24) else {
        return;
    };
    let mut chain = TestChain::new(disk.path());
    for _ in 0..3 {
        let ops = fill(&chain);
        chain.append(&ops);
    }
    disk.fill_up();
    for _ in 0..3 {
        let error = append_until_full(&mut chain);
        assert!(error.is_out_of_space(), "{error}");
        assert!(error.to_string().contains("free space"), "{error}");
        chain.assert_head();
    }
    // More readers at once than ever before, which take new slots in MDBX's file of readers.
    let readers: Vec<_> = (0..3_000)
        .map(|_| chain.storage.reader().unwrap())
        .collect();
    assert_eq!(readers[2_999].head().unwrap(), chain.head().num_hash());
    drop(readers);

    disk.make_room();
    for _ in 0..3 {
        let ops = fill(&chain);
        chain.append(&ops);
    }
    chain.assert_head();
}

#[test]
fn on_a_full_disk_a_database_opens_or_says_why_not() {
    let Some(disk) = SmallDisk::mount(24) else {
        return;
    };
    let mut chain = TestChain::new(disk.path());
    drop(chain.storage);
    disk.fill_up();
    match test_utils::open(disk.path(), &genesis_world()) {
        Ok(storage) => storage.reader().unwrap().verify().unwrap(),
        Err(error) => assert!(error.is_out_of_space(), "{error}"),
    }
    disk.make_room();
    chain.storage = test_utils::open(disk.path(), &genesis_world()).unwrap();
    chain.assert_head();
    let ops = fill(&chain);
    chain.append(&ops);
    chain.assert_head();
}
