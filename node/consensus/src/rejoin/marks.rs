//! Facts that a node keeps for itself, each the name of an empty file in the agreement's own
//! storage: what was lost with the votes is lost with them.

use commonware_runtime::Error;

use crate::Runtime;

/// Notes a fact. It is on the disk when this returns.
pub(crate) async fn mark<E: Runtime>(ctx: &E, partition: &str, name: &[u8]) -> Result<(), Error> {
    ctx.open(partition, name).await.map(|_| ())
}

/// The facts noted in a partition.
pub(crate) async fn marks<E: Runtime>(ctx: &E, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
    match ctx.scan(partition).await {
        Err(Error::PartitionMissing(_)) => Ok(Vec::new()),
        names => names,
    }
}

/// Removes a partition, if it is there.
pub(crate) async fn remove<E: Runtime>(ctx: &E, partition: &str) -> Result<(), Error> {
    match ctx.remove(partition, None).await {
        Ok(()) | Err(Error::PartitionMissing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
