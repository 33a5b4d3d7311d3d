//! Opening data directories: new, existing, of another chain, foreign, locked, damaged.

use alloy_primitives::U256;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use wattline_storage::{
    ChainIdentity, Storage, StorageError,
    test_utils::{self, Op, TestChain, address, genesis_header, genesis_world, open},
};

/// Contents of all files of the database, but for MDBX's table of running readers, which is no
/// part of what is stored.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = [dir.to_path_buf(), dir.join("db")]
        .into_iter()
        .flat_map(|folder| {
            let entries = fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path());
            entries.filter(|path| path.is_file()).collect::<Vec<_>>()
        });
    files
        .filter(|path| !path.ends_with("mdbx.lck"))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

#[test]
fn a_reopened_database_continues_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    chain.append(&[Op::Pay(1, 1), Op::Create(50, 1, vec![(1, 1)])]);
    let TestChain { storage, .. } = &chain;
    let mut writer = storage.writer().unwrap();
    writer.put_snapshot(chain.head().hash(), b"votes").unwrap();
    writer.commit().unwrap();
    let before = storage.stats().unwrap();

    let TestChain {
        storage,
        worlds,
        blocks,
        genesis,
        ..
    } = chain;
    drop(storage);
    let storage = open(dir.path(), &genesis_world()).unwrap();
    assert_eq!(storage.stats().unwrap(), before);
    let reader = storage.reader().unwrap();
    assert_eq!(reader.head().unwrap(), blocks[0].block.num_hash());
    assert_eq!(
        reader.snapshot(blocks[0].block.hash()).unwrap().as_deref(),
        Some(&b"votes"[..])
    );
    assert_eq!(
        reader.recompute_state_root().unwrap(),
        test_utils::root_of(&worlds[1])
    );
    drop((reader, storage));

    let storage = Storage::open_existing(dir.path()).unwrap();
    assert_eq!(storage.genesis_hash(), genesis.hash());
    assert_eq!(storage.reader().unwrap().head().unwrap().number, 1);
}

#[test]
fn a_directory_of_other_settings_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(TestChain::new(dir.path()));
    let before = contents(dir.path());

    let genesis = genesis_header(&genesis_world());
    let identity = ChainIdentity {
        genesis_header: &genesis,
        alloc: &BTreeMap::new(),
        config_json: r#"{"chainId":4242}"#.to_owned(),
    };
    let error = Storage::open(dir.path(), identity).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data directory holds a chain whose `config.chainId` is 57836, but this node is \
         configured with 4242: choose another --datadir, or start with the genesis file that the \
         directory was created with"
    );
    assert!(contents(dir.path()) == before);
}

#[test]
fn a_directory_of_another_genesis_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = TestChain::new(dir.path());
    chain.append(&[Op::Pay(1, 1)]);
    let found = chain.genesis.hash();
    drop(chain);
    let before = contents(dir.path());

    let mut other = genesis_world();
    other.get_mut(&address(0)).unwrap().balance += U256::ONE;
    let error = open(dir.path(), &other).unwrap_err();
    let expected = genesis_header(&other).hash();
    assert!(matches!(
        error,
        StorageError::GenesisMismatch { found: f, expected: e } if f == found && e == expected
    ));
    assert_eq!(
        error.to_string(),
        format!(
            "the data directory holds a chain with genesis {found}, but this node is configured \
             for genesis {expected}: choose another --datadir, or start with the genesis file that \
             the directory was created with"
        )
    );
    assert!(
        contents(dir.path()) == before,
        "the refused directory was changed"
    );
    open(dir.path(), &genesis_world()).unwrap();
}

#[test]
fn a_directory_of_another_schema_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(TestChain::new(dir.path()));
    // Of them 3 was that of pruned databases.
    for found in [1u32, 2, 3, 5] {
        write_schema(dir.path(), &found.to_be_bytes());
        let before = contents(dir.path());
        for error in [
            open(dir.path(), &genesis_world()).unwrap_err(),
            Storage::open_existing(dir.path()).unwrap_err(),
        ] {
            assert_eq!(
                error.to_string(),
                format!(
                    "the data directory has database schema {found}, but this version of the node \
                     reads and writes schema 4: start the version that wrote it, or give this one \
                     a new --datadir, into which it fetches the chain from its peers or imports it \
                     from a file"
                )
            );
        }
        assert!(
            contents(dir.path()) == before,
            "the refused directory was changed"
        );
    }

    write_schema(dir.path(), b"one");
    let error = open(dir.path(), &genesis_world()).unwrap_err();
    assert!(matches!(error, StorageError::Decode { table: "Meta", .. }));
}

/// Writes the schema version as a build of another time might have.
fn write_schema(dir: &Path, version: &[u8]) {
    let mut builder = signet_libmdbx::Environment::builder();
    builder.set_max_dbs(64);
    let environment = builder.open(&dir.join("db")).unwrap();
    let tx = environment.begin_rw_sync().unwrap();
    let meta = tx.open_db(Some("Meta")).unwrap();
    tx.put(
        meta,
        0u64.to_be_bytes(),
        version,
        signet_libmdbx::WriteFlags::UPSERT,
    )
    .unwrap();
    tx.commit().unwrap();
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let chain = TestChain::new(dir.path());
    let reader = chain.storage.reader().unwrap();
    drop(chain);
    // A reader keeps the database open after the last handle is gone.
    let error = open(dir.path(), &genesis_world()).unwrap_err();
    assert!(matches!(&error, StorageError::DataDirLocked { path } if path == dir.path()));
    drop(reader);
    open(dir.path(), &genesis_world()).unwrap();
}

#[test]
fn a_directory_without_a_chain_is_not_opened_as_an_existing_one() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for path in [dir.path(), missing.as_path()] {
        let error = Storage::open_existing(path).unwrap_err();
        assert!(matches!(&error, StorageError::NoDatabase { path: p } if p == path));
    }
    assert!(!missing.exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("db");
    fs::create_dir(&db).unwrap();
    let text = "this is a letter, not a database\n".repeat(1000);
    fs::write(db.join("mdbx.dat"), &text).unwrap();
    let error = open(dir.path(), &genesis_world()).unwrap_err();
    assert!(
        matches!(&error, StorageError::NotADatabase { path, .. } if *path == db),
        "{error}"
    );
    assert_eq!(fs::read_to_string(db.join("mdbx.dat")).unwrap(), text);
}

#[test]
fn a_data_directory_that_cannot_be_created_is_an_io_error_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file, &genesis_world()).unwrap_err();
    assert!(
        matches!(&error, StorageError::Io { path, .. } if path.starts_with(&file)),
        "{error}"
    );
}

#[test]
fn a_creation_that_never_completed_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("db")).unwrap();
    fs::write(dir.path().join("db").join("mdbx.dat"), "").unwrap();
    let storage = open(dir.path(), &genesis_world()).unwrap();
    assert_eq!(storage.reader().unwrap().head().unwrap().number, 0);
    storage.reader().unwrap().verify().unwrap();
}

#[test]
fn a_genesis_header_with_another_state_root_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let world = genesis_world();
    let identity = ChainIdentity {
        genesis_header: &genesis_header(&test_utils::World::new()),
        alloc: &test_utils::alloc_of(&world),
        config_json: String::new(),
    };
    let error = Storage::open(dir.path(), identity).unwrap_err();
    assert!(matches!(
        error,
        StorageError::StateRootMismatch { number: 0, expected, computed }
            if expected == alloy_trie::EMPTY_ROOT_HASH && computed == test_utils::root_of(&world)
    ));
    // Nothing of it remains.
    open(dir.path(), &world).unwrap();
}

#[test]
fn a_new_database_takes_little_space() {
    let dir = tempfile::tempdir().unwrap();
    let _storage = open(dir.path(), &genesis_world()).unwrap();
    let blocks: u64 = contents_allocated(&dir.path().join("db"));
    assert!(blocks < 16 << 20, "{blocks} bytes on disk");
}

/// Bytes that the files of a folder occupy on disk.
fn contents_allocated(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512)
        .sum()
}

#[test]
fn readers_beyond_the_limit_are_refused_and_the_slots_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path(), &genesis_world()).unwrap();
    let mut readers = Vec::new();
    let error = loop {
        match storage.reader() {
            Ok(reader) => readers.push(reader),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(error, StorageError::TooManyReaders { limit: 4096 }),
        "{error}"
    );
    assert!(readers.len() >= 4000, "{} readers", readers.len());
    drop(readers);
    storage.reader().unwrap();
}
