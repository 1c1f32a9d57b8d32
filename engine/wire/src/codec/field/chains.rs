//! What blockchains' hashes, addresses and transactions look like in bytes.

use super::{Field, Reader, Writer};
use crate::codec::CodecError;
use crate::{AddressFormat, BatchMembers, ChainHash, ChainInput, ChainInputs, Text, TransactionBytes, WithdrawalId};

impl Field for ChainHash {
    const SIZE: usize = 32;
    const UNIT: &'static str = "32 bytes: hash in the chain's own byte order";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.bytes(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(ChainHash(from.bytes(Self::SIZE)?.try_into().expect("the length is the hash's")))
    }
}

impl Field for AddressFormat {
    const SIZE: usize = 3 + Text::<16>::SIZE;
    const UNIT: &'static str =
        "u8 format: 1 Bitcoin, 2 EVM; Bitcoin's version bytes of public keys and scripts, prefix";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        let (format, versions, prefix) = match *self {
            AddressFormat::Bitcoin { prefix, pubkey_version, script_version } => {
                (1, [pubkey_version, script_version], prefix)
            }
            AddressFormat::Evm => (2, [0; 2], Text::EMPTY),
        };
        to.bytes(&[format, versions[0], versions[1]]);
        to.put(&prefix);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (format, pubkey_version, script_version) = (from.get::<u8>()?, from.get()?, from.get()?);
        let prefix: Text<16> = from.get()?;
        match format {
            1 if !prefix.is_empty() => Ok(AddressFormat::Bitcoin { prefix, pubkey_version, script_version }),
            2 if (prefix, pubkey_version, script_version) == (Text::EMPTY, 0, 0) => Ok(AddressFormat::Evm),
            1 | 2 => Err(CodecError::OutOfRange),
            _ => Err(CodecError::UnknownNumber),
        }
    }
}

impl Field for ChainInput {
    const SIZE: usize = 32 + 4 + 8 + 4;
    const UNIT: &'static str = "ChainInput: transaction 32 bytes, output u32, amount u64, key u32";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&self.tx);
        to.put(&self.output);
        to.put(&self.amount);
        to.put(&self.key);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(ChainInput { tx: from.get()?, output: from.get()?, amount: from.get()?, key: from.get()? })
    }
}

impl Field for ChainInputs {
    const SIZE: usize = 1 + ChainInputs::MAX * ChainInput::SIZE;
    const UNIT: &'static str = "u8 count, then inputs padded with zeros: transaction, output u32, amount u64, key u32";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.as_slice().len() as u8));
        to.put(self.padded());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = usize::from(from.get::<u8>()?);
        let inputs: [ChainInput; ChainInputs::MAX] = from.get()?;
        let (used, padding) = inputs.split_at_checked(len).ok_or(CodecError::OutOfRange)?;
        if padding.iter().any(|input| *input != ChainInput::default()) {
            return Err(CodecError::OutOfRange);
        }
        ChainInputs::new(used).ok_or(CodecError::OutOfRange)
    }
}

impl Field for BatchMembers {
    const SIZE: usize = 1 + BatchMembers::MAX * WithdrawalId::SIZE;
    const UNIT: &'static str = "u8 count, 2 to 32, then as many ids in order, padded with zeros";
    const IS_FIXED: bool = true;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.as_slice().len() as u8));
        to.put(self.padded());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = usize::from(from.get::<u8>()?);
        let ids: [WithdrawalId; BatchMembers::MAX] = from.get()?;
        let (used, padding) = ids.split_at_checked(len).ok_or(CodecError::OutOfRange)?;
        if padding.iter().any(|id| *id != WithdrawalId::default()) {
            return Err(CodecError::OutOfRange);
        }
        BatchMembers::new(used).ok_or(CodecError::OutOfRange)
    }
}

/// The only field whose length varies; it is the last of its record.
impl Field for TransactionBytes {
    const SIZE: usize = 2;
    const UNIT: &'static str = "u16 length, 1 to 4,096, then as many bytes";
    const IS_FIXED: bool = false;

    fn write(&self, to: &mut Writer<'_>) {
        to.put(&(self.as_bytes().len() as u16));
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let len = usize::from(from.get::<u16>()?);
        if len == 0 || len > TransactionBytes::MAX {
            return Err(CodecError::OutOfRange);
        }
        TransactionBytes::new(from.bytes(len)?.to_vec()).ok_or(CodecError::OutOfRange)
    }
}
