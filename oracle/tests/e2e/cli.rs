//! What people see of `meterd` when they make keys and when they make mistakes.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use wattline_daemon::keystore;

fn meterd(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meterd"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("METERD_PASSWORD")
        .output()
        .expect("meterd runs")
}

#[test]
fn an_error_is_one_line_that_names_each_cause_once() {
    let dir = tempfile::tempdir().expect("dir");
    let name = "M".repeat(33);
    for (arguments, message) in [
        (
            vec!["status"],
            "cannot read meterd.toml: No such file or directory (os error 2)".to_owned(),
        ),
        (
            vec!["keys", "new", "--password-file", "missing", "M001"],
            "cannot read the password file missing: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (
            vec!["keys", "new", &name],
            format!("a meter's name must be 1 to 32 printable ASCII characters, got {name:?}"),
        ),
    ] {
        let output = meterd(dir.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!("error: {message}\n")
        );
    }
}

#[test]
fn new_keys_have_the_first_line_of_the_password_file_as_their_password() {
    let dir = tempfile::tempdir().expect("dir");
    fs::write(dir.path().join("password"), "secret\nremarks\n").expect("written");
    let output = meterd(
        dir.path(),
        &["keys", "new", "--password-file", "password", "M001"],
    );
    assert!(output.status.success(), "{output:?}");
    let key = keystore::load(&dir.path().join("keys/M001.json"), "secret").expect("loads");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("M001 {}\n", key.address())
    );
}
