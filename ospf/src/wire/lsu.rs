//! Link state update packets (RFC 2328 section A.3.5): a counted list of whole advertisements.

use super::LSA_HEADER_LEN;
use super::error::DecodeError;
use super::lsa::Lsa;
use super::reader::Reader;
use super::writer::Writer;

/// Frames each advertisement by its length field. Its checksum and body are not looked at: a bad one is
/// discarded alone (section 13 step 1).
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<Lsa>, DecodeError> {
    let announced = reader.u32()?;
    let available = reader.remaining();
    let count = usize::try_from(announced).unwrap_or(usize::MAX);
    if count > available / LSA_HEADER_LEN {
        return Err(DecodeError::UpdateCount { announced, available });
    }
    let mut lsas = Vec::with_capacity(count);
    for _ in 0..count {
        let lsa = Lsa::decode(reader.peek())?;
        reader.take(lsa.bytes.len())?;
        lsas.push(lsa);
    }
    Ok(lsas)
}

pub(super) fn write(lsas: &[Lsa], writer: &mut Writer) {
    writer.u32(u32::try_from(lsas.len()).unwrap_or(u32::MAX));
    for lsa in lsas {
        lsa.write(writer);
    }
}
