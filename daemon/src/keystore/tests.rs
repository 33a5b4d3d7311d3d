use std::os::unix::fs::PermissionsExt;

use super::*;

fn new_key(directory: &Path, name: &str) -> (PrivateKeySigner, PathBuf) {
    let key = PrivateKeySigner::random();
    let path = save(directory, name, "secret", &key).expect("saved");
    (key, path)
}

#[test]
fn a_key_comes_back_with_its_password_only() {
    let dir = tempfile::tempdir().expect("dir");
    let (key, path) = new_key(dir.path(), "M001");
    assert_eq!(path, dir.path().join("M001.json"));
    assert_eq!(
        load(&path, "secret").expect("loads").address(),
        key.address()
    );
    let error = load(&path, "wrong").expect_err("refused");
    assert!(
        matches!(&error, KeystoreError::Password(at) if *at == path),
        "{error}"
    );
    assert!(matches!(
        save(dir.path(), "M001", "secret", &key),
        Err(KeystoreError::Exists(_))
    ));
    let missing = dir.path().join("M002.json");
    assert!(matches!(
        load(&missing, "secret"),
        Err(KeystoreError::Read { .. })
    ));
}

#[test]
fn a_keystore_is_its_owners_alone_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, path) = new_key(dir.path(), "M001");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    let files = fs::read_dir(dir.path())
        .expect("read")
        .map(|entry| entry.expect("entry").path())
        .collect::<Vec<_>>();
    assert_eq!(files, [path]);
}

#[test]
fn a_keystore_may_replace_an_older_one_and_is_its_owners_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("M001.json");
    fs::write(&path, "old").expect("written");
    let key = PrivateKeySigner::random();
    assert_eq!(
        replace(dir.path(), "M001", "secret", &key).expect("written"),
        path
    );
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    assert_eq!(
        load(&path, "secret").expect("decrypts").address(),
        key.address()
    );
    assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 1);
}

#[test]
fn a_stored_key_is_listed_and_unlocks_with_its_password_alone() {
    let dir = tempfile::tempdir().expect("dir");
    let key = PrivateKeySigner::random();
    let path = store(dir.path(), "open sesame", &key).expect("stored");

    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .expect("name");
    assert!(name.starts_with("UTC--2"), "{name}");
    assert!(
        name.ends_with(&format!("Z--{:x}.json", key.address())),
        "{name}"
    );
    assert_eq!(
        list(dir.path()).expect("listed"),
        [(key.address(), path.clone())]
    );
    assert_eq!(
        load(&path, "open sesame").expect("loads").to_bytes(),
        key.to_bytes()
    );
    assert_eq!(
        load(&path, "open barley").expect_err("refused").to_string(),
        format!("wrong password for the keystore {}", path.display())
    );
    assert_eq!(
        store(dir.path(), "again", &key)
            .expect_err("refused")
            .to_string(),
        format!(
            "the key of {} is already in {}",
            key.address(),
            path.display()
        )
    );
}

#[test]
fn a_file_that_is_no_keystore_says_so() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("notes.json");
    for (text, reason) in [
        ("{}", "it has no `crypto` section"),
        (
            "{",
            "it is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "[]",
            "invalid length 0, expected struct Keystore with 2 elements at line 1 column 2",
        ),
    ] {
        fs::write(&path, text).expect("written");
        assert_eq!(
            load(&path, "x").expect_err("refused").to_string(),
            format!("{} is not a keystore: {reason}", path.display())
        );
    }
    fs::write(&path, " ".repeat(70_000)).expect("written");
    assert_eq!(
        load(&path, "x").expect_err("refused").to_string(),
        format!(
            "cannot read the keystore {}: it has more than 65536 bytes",
            path.display()
        )
    );
    assert!(list(dir.path()).expect("listed").is_empty());
    assert!(
        list(&dir.path().join("missing"))
            .expect("listed")
            .is_empty()
    );
}

#[test]
fn a_file_that_asks_for_too_much_or_too_little_is_no_keystore() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, path) = new_key(dir.path(), "good");
    let good = fs::read_to_string(path).expect("read");
    let path = dir.path().join("bad.json");
    for (from, to, reason) in [
        ("\"version\":3", "\"version\":1", "version must be 3, got 1"),
        ("\"n\":8192", "\"n\":1099511627776", "n·r·128 at most 1 GiB"),
        ("\"r\":8", "\"r\":4194304", "r at most 64"),
        ("\"p\":1", "\"p\":17", "p at most 16"),
        ("\"n\":8192", "\"n\":2147483648", "n·r·128 at most 1 GiB"),
        ("\"n\":8192", "\"n\":8191", "power of two"),
        (
            "\"dklen\":32",
            "\"dklen\":8",
            "kdfparams.dklen must be 32, got 8",
        ),
        ("\"iv\":\"", "\"iv\":\"00", "16 bytes"),
        ("aes-128-ctr", "none", "cipher must be aes-128-ctr"),
    ] {
        assert!(good.contains(from), "{good}");
        fs::write(&path, good.replace(from, to)).expect("written");
        let error = load(&path, "secret").expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
    let costly = good.replace("\"n\":8192", "\"n\":1099511627776");
    fs::write(&path, costly).expect("written");
    assert_eq!(
        load(&path, "secret").expect_err("refused").to_string(),
        format!(
            "the keystore {} asks for too much work: scrypt may have n·r·128 at most 1 GiB, \
             r at most 64 and p at most 16, got n = 1099511627776, r = 8, p = 1",
            path.display()
        )
    );
    fs::write(&path, "{").expect("written");
    assert!(matches!(
        load(&path, "secret"),
        Err(KeystoreError::Format { .. })
    ));
}
