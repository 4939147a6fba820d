//! bench
pub fn bench(_samples: u32, _rest: u64) -> anyhow::Result<()> {
    Ok(())
}
