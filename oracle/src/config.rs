//! What the daemon is told: as values ([`OracleConfig`]), or as a file ([`ConfigFile`]).

use crate::{InvalidMeterName, MeterId, source::SourceConfig, submission::Submission};
use alloy::{
    primitives::{Address, B256},
    signers::local::PrivateKeySigner,
    transports::http::reqwest::Url,
};
use rayon::prelude::*;
use serde::Deserialize;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use wattline_daemon::{
    keystore::{self, KeystoreError},
    password::{self, PasswordError},
};
use wattline_market::predeploys::METERING;

/// Everything that [`run`](crate::run) needs.
#[derive(Clone, Debug)]
pub struct OracleConfig {
    /// The node's JSON-RPC address.
    pub rpc: Url,
    /// The chain that the node must be on.
    pub chain_id: u64,
    /// The metering contract.
    pub contract: Address,
    /// The outbox's file.
    pub outbox: PathBuf,
    /// Where to answer `/metrics` and `/health`; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// The age from which the oldest waiting reading makes `/health` fail, in seconds.
    pub max_age_seconds: u64,
    /// The account that sends the transactions.
    pub submitter: PrivateKeySigner,
    /// How readings are sent.
    pub submission: Submission,
    /// The meters.
    pub meters: Vec<Meter>,
    /// How they are read.
    pub source: SourceConfig,
}

/// A meter and its key.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The meter's name at the source.
    pub name: String,
    /// Its identifier on the chain.
    pub id: MeterId,
    /// The key that signs its readings.
    pub key: PrivateKeySigner,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OracleConfigError {
    /// The file, or one that it names, cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not as it should be.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: Box<toml::de::Error>,
    },
    /// A meter's name cannot be an identifier and no identifier is given.
    #[error("{0}; give the meter an `id`")]
    Name(InvalidMeterName),
    /// Two meters of one name or identifier.
    #[error("there are two meters {0}")]
    TwoMeters(String),
    /// No meters.
    #[error(
        "there are no meters: name a directory of keystores under [meters], or add [[meter]] tables"
    )]
    NoMeters,
    /// A key cannot be had.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// A password cannot be had.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No password for a keystore.
    #[error(
        "no password for {}: set password_file beside it, or {PASSWORD_VARIABLE} in the \
         environment",
        .0.display()
    )]
    NoPassword(PathBuf),
}

/// The environment variable with the password of keystores that have no `password_file`.
pub const PASSWORD_VARIABLE: &str = "METERD_PASSWORD";

impl OracleConfig {
    /// # Errors
    ///
    /// There are no meters, or two of one name or identifier.
    pub(crate) fn validate(&self) -> Result<(), OracleConfigError> {
        if self.meters.is_empty() {
            return Err(OracleConfigError::NoMeters);
        }
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for meter in &self.meters {
            if !names.insert(&meter.name) {
                return Err(OracleConfigError::TwoMeters(format!(
                    "named {:?}",
                    meter.name
                )));
            }
            if !ids.insert(meter.id) {
                return Err(OracleConfigError::TwoMeters(format!(
                    "with identifier {}",
                    meter.id
                )));
            }
        }
        Ok(())
    }
}

/// The daemon's configuration file (TOML). Paths in it are relative to its own folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    rpc: Url,
    chain_id: u64,
    #[serde(default = "metering")]
    contract: Address,
    outbox: PathBuf,
    listen: Option<SocketAddr>,
    #[serde(default = "max_age")]
    max_age_seconds: u64,
    submitter: KeyFile,
    #[serde(default)]
    submission: Submission,
    meters: Option<MeterDirectory>,
    #[serde(default, rename = "meter")]
    meter_tables: Vec<MeterTable>,
    source: SourceConfig,
}

const fn metering() -> Address {
    METERING
}

const fn max_age() -> u64 {
    900
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keystore: PathBuf,
    password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterDirectory {
    keystores: PathBuf,
    password_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterTable {
    name: String,
    id: Option<B256>,
    keystore: PathBuf,
    password_file: Option<PathBuf>,
}

impl ConfigFile {
    /// Reads a configuration file; the keys stay encrypted.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not TOML, lacks a setting or has one that does not exist.
    pub fn read(path: &Path) -> Result<Self, OracleConfigError> {
        let text = read(path)?;
        let mut config: Self = toml::from_str(&text).map_err(|error| OracleConfigError::Parse {
            path: path.to_owned(),
            error: Box::new(error),
        })?;
        config.resolve(path.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    fn resolve(&mut self, folder: &Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&path);
        self.source.resolve(folder);
        join(&mut self.outbox);
        join(&mut self.submitter.keystore);
        self.submitter.password_file.as_mut().map(join);
        if let Some(directory) = &mut self.meters {
            join(&mut directory.keystores);
            directory.password_file.as_mut().map(join);
        }
        for table in &mut self.meter_tables {
            join(&mut table.keystore);
            table.password_file.as_mut().map(join);
        }
    }

    /// The outbox's file, the chain and the contract: what it takes to open the outbox.
    pub fn outbox(&self) -> (&Path, u64, Address) {
        (&self.outbox, self.chain_id, self.contract)
    }

    /// Decrypts the keys. `password` stands in where no password file is named.
    ///
    /// # Errors
    ///
    /// A keystore or password cannot be read or is wrong, or the meters contradict each other.
    pub fn unlock(self, password: Option<&str>) -> Result<OracleConfig, OracleConfigError> {
        let submitter_password = password_for(
            &self.submitter.keystore,
            self.submitter.password_file.as_ref(),
            password,
        )?;
        let mut names = Vec::new();
        let mut files = vec![(self.submitter.keystore, submitter_password)];
        if let Some(directory) = &self.meters {
            let secret = password_for(
                &directory.keystores,
                directory.password_file.as_ref(),
                password,
            )?;
            for (name, path) in keystores(&directory.keystores)? {
                let id = MeterId::from_name(&name).map_err(OracleConfigError::Name)?;
                names.push((id, name));
                files.push((path, secret.clone()));
            }
        }
        for table in self.meter_tables {
            let id = table
                .id
                .map_or_else(|| MeterId::from_name(&table.name), |id| Ok(MeterId(id)))
                .map_err(OracleConfigError::Name)?;
            let secret = password_for(&table.keystore, table.password_file.as_ref(), password)?;
            names.push((id, table.name));
            files.push((table.keystore, secret));
        }
        // On all cores: each takes a while by design.
        let keys = files
            .par_iter()
            .map(|(path, password)| keystore::load(path, password))
            .collect::<Result<Vec<_>, _>>()?;
        let mut keys = keys.into_iter();
        let Some(submitter) = keys.next() else {
            return Err(OracleConfigError::NoMeters);
        };
        let meters = names
            .into_iter()
            .zip(keys)
            .map(|((id, name), key)| Meter { name, id, key })
            .collect();
        let config = OracleConfig {
            rpc: self.rpc,
            chain_id: self.chain_id,
            contract: self.contract,
            outbox: self.outbox,
            listen: self.listen,
            max_age_seconds: self.max_age_seconds,
            submitter,
            submission: self.submission,
            meters,
            source: self.source,
        };
        config.validate()?;
        Ok(config)
    }
}

fn read(path: &Path) -> Result<String, OracleConfigError> {
    std::fs::read_to_string(path).map_err(|error| OracleConfigError::Read {
        path: path.to_owned(),
        error,
    })
}

fn password_for(
    keystore: &Path,
    file: Option<&PathBuf>,
    otherwise: Option<&str>,
) -> Result<String, OracleConfigError> {
    match (file, otherwise) {
        (Some(file), _) => Ok(password::from_file(file)?),
        (None, Some(password)) => Ok(password.to_owned()),
        (None, None) => Err(OracleConfigError::NoPassword(keystore.to_owned())),
    }
}

/// The keystores in a directory, `NAME.json` being that of the meter NAME, in the order of their
/// names.
fn keystores(directory: &Path) -> Result<Vec<(String, PathBuf)>, OracleConfigError> {
    let error = |error| OracleConfigError::Read {
        path: directory.to_owned(),
        error,
    };
    let mut keystores = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(error)? {
        let path = entry.map_err(error)?.path();
        if let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_suffix(".json"))
        {
            keystores.push((name.to_owned(), path.clone()));
        }
    }
    keystores.sort();
    Ok(keystores)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{CsvInput, CsvReplay};

    const FILE: &str = r#"
rpc = "http://127.0.0.1:8545"
chain_id = 57836
outbox = "outbox.redb"

[submitter]
keystore = "submitter.json"

[meters]
keystores = "keys"
password_file = "password"

[source]
kind = "csv"
file = "intervals.csv"
from = "2016-06-07T11:00:00Z"
start = 1750000000
interval_seconds = 15
"#;

    fn folder(file: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::write(dir.path().join("meterd.toml"), file).expect("written");
        std::fs::write(dir.path().join("password"), "secret\n").expect("written");
        let key = PrivateKeySigner::random();
        keystore::save(dir.path(), "submitter", "other", &key).expect("saved");
        for name in ["M002", "M001"] {
            let key = PrivateKeySigner::random();
            keystore::save(&dir.path().join("keys"), name, "secret", &key).expect("saved");
        }
        dir
    }

    fn read_in(dir: &tempfile::TempDir) -> Result<ConfigFile, OracleConfigError> {
        ConfigFile::read(&dir.path().join("meterd.toml"))
    }

    #[test]
    fn a_file_and_its_keystores_become_a_configuration() {
        let dir = folder(FILE);
        let config = read_in(&dir)
            .expect("read")
            .unlock(Some("other"))
            .expect("unlocks");
        assert_eq!(config.contract, METERING);
        assert_eq!(config.outbox, dir.path().join("outbox.redb"));
        assert_eq!(
            config
                .meters
                .iter()
                .map(|meter| meter.name.as_str())
                .collect::<Vec<_>>(),
            ["M001", "M002"]
        );
        assert_eq!(config.meters[0].id.to_string(), "M001");
        assert_eq!(config.submission, Submission::default());
        let SourceConfig::Csv(CsvReplay { input, plan }) = config.source;
        assert!(
            matches!(&input, CsvInput::File(path) if *path == dir.path().join("intervals.csv")),
            "{input:?}"
        );
        assert_eq!(
            (plan.data_seconds, plan.start, plan.intervals),
            (900, 1_750_000_000, None)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = read_in(&folder(&FILE.replace("outbox =", "outbos =")))
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("outbos") && error.contains("line 4"),
            "{error}"
        );
        let error = read_in(&folder(&FILE.replace("from = \"2016", "from = \"x2016")))
            .expect_err("refused");
        assert!(matches!(error, OracleConfigError::Parse { .. }));
        let error = read_in(&folder(&FILE.replace("start =", "begin =")))
            .expect_err("refused")
            .to_string();
        assert!(error.contains("unknown field `begin`"), "{error}");

        let dir = folder(FILE);
        let error = read_in(&dir)
            .expect("read")
            .unlock(None)
            .expect_err("refused");
        assert!(
            matches!(error, OracleConfigError::NoPassword(path) if path.ends_with("submitter.json"))
        );
        let error = read_in(&dir)
            .expect("read")
            .unlock(Some("wrong"))
            .expect_err("refused");
        assert!(
            matches!(error, OracleConfigError::Keystore(KeystoreError::Password(path)) if path.ends_with("submitter.json"))
        );

        let two = format!(
            "{FILE}\n[[meter]]\nname = \"M001\"\nkeystore = \"keys/M001.json\"\npassword_file = \"password\"\n"
        );
        let error = read_in(&folder(&two))
            .expect("read")
            .unlock(Some("other"))
            .expect_err("refused");
        assert_eq!(error.to_string(), "there are two meters named \"M001\"");

        let long = "M".repeat(33);
        let unnamed =
            format!("{FILE}\n[[meter]]\nname = {long:?}\nkeystore = \"keys/M001.json\"\n");
        let error = read_in(&folder(&unnamed))
            .expect("read")
            .unlock(Some("other"))
            .expect_err("refused");
        assert_eq!(
            format!("{:#}", eyre::Report::from(error)),
            format!(
                "a meter's name must be 1 to 32 printable ASCII characters, got {long:?}; give the meter an `id`"
            )
        );
    }
}
