//! Tables of a few rows: networks that a key may be used from, and tiers of fees.

use alloc::vec::Vec;

use super::{Field, Reader, Writer};
use crate::codec::CodecError;
use crate::{Amount, FeeRate, FeeTier, FeeTiers, Network, Networks, SignedFeeRate};

impl Field for Networks {
    const SIZE: usize = 1 + 17 * Networks::MAX;
    const UNIT: &'static str = "u8 count, then networks of 16 bytes of address and u8 of prefix, padded with zeros";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        let networks = self.as_slice();
        to.put(&(networks.len() as u8));
        for network in networks {
            to.bytes(&network.address());
            to.put(&network.prefix());
        }
        to.bytes(&[0; 17 * Networks::MAX][17 * networks.len()..]);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let count = usize::from(from.get::<u8>()?);
        let field = from.bytes(17 * Networks::MAX)?;
        let (networks, padding) = field.split_at_checked(17 * count).ok_or(CodecError::OutOfRange)?;
        if padding.iter().any(|b| *b != 0) {
            return Err(CodecError::OutOfRange);
        }
        let mut all = Vec::with_capacity(count);
        for network in networks.chunks_exact(17) {
            let address = network[..16].try_into().expect("the length is an address's");
            all.push(Network::new(address, network[16]).ok_or(CodecError::OutOfRange)?);
        }
        Networks::new(&all).ok_or(CodecError::OutOfRange)
    }
}

impl Field for FeeTier {
    const SIZE: usize = Amount::SIZE + SignedFeeRate::SIZE + FeeRate::SIZE;
    const UNIT: &'static str = "FeeTier";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.volume_min);
        to.put(&self.maker);
        to.put(&self.taker);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(FeeTier { volume_min: from.get()?, maker: from.get()?, taker: from.get()? })
    }
}

impl Field for FeeTiers {
    const SIZE: usize = 1 + FeeTiers::MAX * FeeTier::SIZE;
    const UNIT: &'static str =
        "u8 count, then tiers padded with zeros, each: volume i64, maker rate i32, taker rate u32";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.as_slice().len() as u8));
        for at in 0..FeeTiers::MAX {
            to.put(&self.as_slice().get(at).copied().unwrap_or_default());
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = usize::from(from.get::<u8>()?);
        let mut tiers = [FeeTier::default(); FeeTiers::MAX];
        for tier in &mut tiers {
            *tier = from.get()?;
        }
        let (used, padding) = tiers.split_at_checked(len).ok_or(CodecError::OutOfRange)?;
        if padding.iter().any(|tier| *tier != FeeTier::default()) {
            return Err(CodecError::OutOfRange);
        }
        FeeTiers::new(used).ok_or(CodecError::OutOfRange)
    }
}
