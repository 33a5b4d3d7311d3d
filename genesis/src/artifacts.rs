//! Creation code of the contracts, as forge wrote it.

use std::path::PathBuf;

use alloy_primitives::{Bytes, hex};
use serde::Deserialize;
use thiserror::Error;

/// Why a contract's creation code cannot be had.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// The file is not there, or cannot be read.
    #[error("cannot read {path}: {source}; compile the contracts first with `make contracts`")]
    Read {
        /// The artifact.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not an artifact with creation code.
    #[error("{path} is not an artifact of forge: {reason}")]
    Malformed {
        /// The artifact.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
struct Bytecode {
    object: String,
}

/// The output folder of forge.
#[derive(Clone, Debug)]
pub struct Artifacts {
    out: PathBuf,
}

impl Artifacts {
    /// Artifacts under `out`, the `out` folder of the Foundry project.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self { out: out.into() }
    }

    /// The creation code of `contract`.
    ///
    /// # Errors
    ///
    /// [`ArtifactError`] when there is no such artifact, or its code needs linking.
    pub fn creation_code(&self, contract: &str) -> Result<Bytes, ArtifactError> {
        let path = self
            .out
            .join(format!("{contract}.sol"))
            .join(format!("{contract}.json"));
        let text = std::fs::read_to_string(&path).map_err(|source| ArtifactError::Read {
            path: path.clone(),
            source,
        })?;
        let malformed = |reason: String| ArtifactError::Malformed {
            path: path.clone(),
            reason,
        };
        let artifact: Artifact =
            serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let code = hex::decode(artifact.bytecode.object)
            .map_err(|_| malformed("its code has unlinked libraries".to_owned()))?;
        if code.is_empty() {
            return Err(malformed(format!("{contract} is abstract: it has no code")));
        }
        Ok(code.into())
    }
}
