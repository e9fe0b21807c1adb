//! Every message in every version: what is written reads back, and nothing else does.

use bytes::BytesMut;
use proptest::prelude::*;

use super::SampledMessage;
use crate::kafka::{
    Api, Request, RequestFrame, Response, encode_request, encode_response, read_response,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_request_of_any_version_reads_back(seed: u64) {
        for (api, version) in all() {
            let request = Request::sample(api, api.form(version), seed);
            let frame = encode_request(version, 7, None, &request, &mut BytesMut::new()).to_bytes();
            let read = RequestFrame::read(frame.slice(4..)).unwrap();
            prop_assert_eq!((read.header.api, read.header.version), (api, version));
            prop_assert_eq!(read.request(), Ok(request), "{} {}", api, version);
        }
    }

    #[test]
    fn a_response_of_any_version_reads_back(seed: u64) {
        for (api, version) in all() {
            let response = Response::sample(api, api.form(version), seed);
            let frame = encode_response(version, 7, &response, &mut BytesMut::new()).to_bytes();
            prop_assert_eq!(
                read_response(api, version, frame.slice(4..)),
                Ok((7, response)),
                "{} {}", api, version
            );
        }
    }

    #[test]
    fn a_body_that_is_cut_is_refused_and_what_stands_behind_a_request_passed_over(
        seed: u64, cut: prop::sample::Index,
    ) {
        for (api, version) in all() {
            let request = Request::sample(api, api.form(version), seed);
            let frame = encode_request(version, 7, None, &request, &mut BytesMut::new()).to_bytes();
            let body = RequestFrame::read(frame.slice(4..)).unwrap().body;
            if !body.is_empty() {
                let cut = body.slice(..cut.index(body.len()));
                prop_assert!(Request::read(api, version, cut).is_err(), "{} {}", api, version);
            }
            let longer = [&body[..], &[0]].concat();
            prop_assert_eq!(Request::read(api, version, longer.into()), Ok(request));
            let response = Response::sample(api, api.form(version), seed);
            let frame = encode_response(version, 7, &response, &mut BytesMut::new()).to_bytes();
            let longer = [&frame[4..], &[0]].concat();
            prop_assert!(read_response(api, version, longer.into()).is_err());
        }
    }

    #[test]
    fn a_byte_that_changed_is_refused_or_read_as_what_it_writes(
        seed: u64, place: prop::sample::Index, bits: u8,
    ) {
        for (api, version) in all() {
            let response = Response::sample(api, api.form(version), seed);
            let frame = encode_response(version, 7, &response, &mut BytesMut::new()).to_bytes();
            let mut changed = frame[4..].to_vec();
            changed[place.index(frame.len() - 4)] ^= bits;
            if let Ok((correlation, read)) = read_response(api, version, changed.into()) {
                let again = encode_response(version, correlation, &read, &mut BytesMut::new());
                let again = again.to_bytes().slice(4..);
                prop_assert_eq!(read_response(api, version, again), Ok((correlation, read)));
            }
        }
    }
}

/// Every API with every version of it that is served.
fn all() -> impl Iterator<Item = (Api, i16)> {
    Api::ALL.iter().flat_map(|api| api.served().map(|version| (*api, version)))
}
