//! Link state request packets (RFC 2328 section A.3.4): a list of names.

use crate::types::RouterId;

use super::REQUEST_LEN;
use super::error::DecodeError;
use super::lsa::{LsType, LsaKey};
use super::reader::Reader;
use super::writer::Writer;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Vec<LsaKey>, DecodeError> {
    let mut keys = Vec::with_capacity(reader.remaining() / REQUEST_LEN);
    while reader.remaining() >= REQUEST_LEN {
        let found = reader.u32()?;
        let Ok(ls_type) = u8::try_from(found) else {
            return Err(DecodeError::RequestLsType { found });
        };
        keys.push(LsaKey {
            ls_type: LsType(ls_type),
            id: reader.ipv4()?,
            advertising_router: RouterId(reader.ipv4()?),
        });
    }
    Ok(keys)
}

pub(super) fn write(keys: &[LsaKey], writer: &mut Writer) {
    for key in keys {
        writer.u32(u32::from(key.ls_type.0));
        writer.ipv4(key.id);
        writer.ipv4(key.advertising_router.0);
    }
}
