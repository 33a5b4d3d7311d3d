//! Where our programs are, built if they are not.
//!
//! Cargo builds a package's own programs before its tests, but not those of another package. What
//! lies beside the running test is taken if it is newer than all sources; otherwise Cargo builds it
//! with the test's profile. After `cargo test --workspace`, which built all of them, nothing is
//! left to build.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

use eyre::{OptionExt, WrapErr, bail, ensure};

use crate::repository;

/// What our programs are made from, besides the main file of each.
const SOURCES: [&str; 10] = [
    "contracts/src/interfaces",
    "daemon",
    "devnet",
    "genesis/dev.json",
    "genesis/devnet.json",
    "genesis/src",
    "market",
    "node",
    "oracle",
    "precompiles",
];

/// What lies among the sources and is in no program, or not in every one.
const NO_SOURCES: [&str; 7] = [
    "benches",
    "fuzz",
    "main.rs",
    "node_modules",
    "target",
    "tests",
    "tests.rs",
];

/// A program of ours.
struct Program {
    package: &'static str,
    name: &'static str,
    main: &'static str,
    built: OnceLock<PathBuf>,
}

/// The node.
///
/// # Errors
///
/// It cannot be built.
pub fn wattline() -> eyre::Result<&'static Path> {
    static PROGRAM: Program = Program::new("wattline", "wattline", "node/wattline/src/main.rs");
    PROGRAM.path()
}

/// The meter oracle.
///
/// # Errors
///
/// It cannot be built.
pub fn meterd() -> eyre::Result<&'static Path> {
    static PROGRAM: Program = Program::new("wattline-oracle", "meterd", "oracle/src/main.rs");
    PROGRAM.path()
}

/// The simulated neighbourhood.
///
/// # Errors
///
/// It cannot be built.
pub fn neighbourhood() -> eyre::Result<&'static Path> {
    static PROGRAM: Program =
        Program::new("wattline-devnet", "neighbourhood", "devnet/src/main.rs");
    PROGRAM.path()
}

impl Program {
    const fn new(package: &'static str, name: &'static str, main: &'static str) -> Self {
        Self {
            package,
            name,
            main,
            built: OnceLock::new(),
        }
    }

    fn path(&self) -> eyre::Result<&Path> {
        if let Some(path) = self.built.get() {
            return Ok(path);
        }
        let path = self
            .build()
            .wrap_err_with(|| format!("cannot build {}", self.name))?;
        Ok(self.built.get_or_init(|| path))
    }

    fn build(&self) -> eyre::Result<PathBuf> {
        // The test lies in TARGET/PROFILE/deps.
        let test = env::current_exe()?;
        let folder = test.ancestors().nth(2).ok_or_eyre("no profile")?;
        let target = folder.parent().ok_or_eyre("no target folder")?;
        let program = folder.join(self.name);
        if self.is_fresh(&program, repository()) {
            return Ok(program);
        }
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") => "dev",
            Some(profile) => profile,
            None => bail!("{} is no folder of a profile", folder.display()),
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .current_dir(repository())
            .args(["build", "--quiet", "--profile", profile])
            .args(["--package", self.package, "--bin", self.name])
            .arg("--target-dir")
            .arg(target)
            .status()?;
        ensure!(status.success(), "cargo ended with {status}");
        Ok(program)
    }

    /// Whether the built program is newer than its sources in a repository.
    fn is_fresh(&self, built: &Path, repository: &Path) -> bool {
        let Ok(built) = fs::metadata(built).and_then(|built| built.modified()) else {
            return false;
        };
        let sources = SOURCES.iter().chain([&self.main]);
        let sources = sources.map(|source| repository.join(source));
        let mut sources = sources.filter(|source| source.exists());
        !sources.any(|source| is_newer(&source, built).unwrap_or(true))
    }
}

/// Whether a file, or a source in a folder, is newer than `built`.
fn is_newer(path: &Path, built: SystemTime) -> io::Result<bool> {
    if !path.is_dir() {
        return Ok(path.metadata()?.modified()? > built);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let counts = NO_SOURCES.iter().all(|name| entry.file_name() != *name);
        if counts && is_newer(&entry.path(), built)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_program_is_fresh_until_a_source_is_newer() -> eyre::Result<()> {
        let dir = tempfile::tempdir()?;
        let write = |path: &str, seconds: u64| -> eyre::Result<()> {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().ok_or_eyre("no folder")?)?;
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            Ok(fs::File::create(path)?.set_modified(at)?)
        };
        let meterd = Program::new("wattline-oracle", "meterd", "oracle/src/main.rs");
        let is_fresh = || meterd.is_fresh(&dir.path().join("meterd"), dir.path());

        for source in SOURCES.iter().chain([&meterd.main]) {
            let file = if source.contains('.') {
                ""
            } else {
                "/src/lib.rs"
            };
            write(&format!("{source}{file}"), 1)?;
        }
        assert!(!is_fresh(), "there is none");
        write("meterd", 2)?;
        assert!(is_fresh());
        for other in [
            "docs/metering.md",
            "oracle/tests/e2e/main.rs",
            "node/pool/src/pool/tests.rs",
            "node/wattline/src/main.rs",
        ] {
            write(other, 3)?;
        }
        assert!(is_fresh(), "none of these is in it");
        for source in [
            "oracle/src/main.rs",
            "market/src/lib.rs",
            "genesis/dev.json",
        ] {
            write(source, 3)?;
            assert!(!is_fresh(), "{source} is newer");
            write(source, 1)?;
        }
        Ok(())
    }
}
