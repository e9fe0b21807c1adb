//! The routes: which path goes where, as a list.
//!
//! Each is counted by its template, not by what was asked for. What no route takes is answered
//! with a problem as well, so that a client has one kind of refusal to read.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use utoipa::OpenApi;
use weir_protocol::code::Code;

use super::problem::Problem;
use super::shared::Shared;
use super::{
    delete_records, groups, live, publish, queue_state, queues, records, redrive, topics,
    websocket, work,
};
use crate::metrics;

/// Routes of another part of the broker that are answered here, with their description.
pub(crate) struct Guests {
    pub(crate) routes: Vec<(&'static str, MethodRouter)>,
    pub(crate) openapi: utoipa::openapi::OpenApi,
}

/// What is described in `/v1/openapi.json`.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "weir",
        description = "Records in and out over HTTP. Errors are RFC 9457 problems: `code` says \
                       what it is, `retry` whether to ask again."
    ),
    paths(
        topics::list,
        topics::put,
        topics::describe,
        topics::alter,
        topics::delete,
        publish::publish,
        records::read,
        delete_records::delete,
        live::live,
        live::live_topics,
        groups::list,
        groups::describe,
        queues::list,
        queues::put,
        queues::describe,
        queues::alter,
        queues::delete,
        queues::pause,
        queues::resume,
        work::receive,
        work::ack,
        work::release,
        work::retry,
        work::reject,
        work::extend,
        queue_state::why,
        queue_state::seek,
        queue_state::purge,
        redrive::redrive,
        openapi,
    ),
    tags(
        (name = "records", description = "Publish, read and follow records."),
        (name = "topics", description = "What topics there are."),
        (name = "groups", description = "Consumer groups and how far they are."),
        (name = "queues", description = "Work queues: each record to one of many workers."),
        (name = "broker", description = "The broker itself."),
    )
)]
struct Document;

/// The description of all routes.
pub(super) fn document(guests: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    Document::openapi().merge_from(guests)
}

fn own() -> Vec<(&'static str, MethodRouter<Shared>)> {
    vec![
        ("/v1/topics", get(topics::list)),
        (
            "/v1/topics/{topic}",
            get(topics::describe).put(topics::put).patch(topics::alter).delete(topics::delete),
        ),
        (
            "/v1/topics/{topic}/records",
            get(records::read).post(publish::publish).delete(delete_records::delete),
        ),
        ("/v1/topics/{topic}/live", get(live::live)),
        ("/v1/live", get(websocket::live)),
        ("/v1/groups", get(groups::list)),
        ("/v1/groups/{group}", get(groups::describe)),
        ("/v1/queues", get(queues::list)),
        (
            "/v1/queues/{queue}",
            get(queues::describe).put(queues::put).patch(queues::alter).delete(queues::delete),
        ),
        ("/v1/queues/{queue}/pause", post(queues::pause)),
        ("/v1/queues/{queue}/resume", post(queues::resume)),
        ("/v1/queues/{queue}/receive", post(work::receive)),
        ("/v1/queues/{queue}/ack", post(work::ack)),
        ("/v1/queues/{queue}/release", post(work::release)),
        ("/v1/queues/{queue}/retry", post(work::retry)),
        ("/v1/queues/{queue}/reject", post(work::reject)),
        ("/v1/queues/{queue}/extend", post(work::extend)),
        ("/v1/queues/{queue}/why", get(queue_state::why)),
        ("/v1/queues/{queue}/seek", post(queue_state::seek)),
        ("/v1/queues/{queue}/purge", post(queue_state::purge)),
        ("/v1/queues/{queue}/redrive", post(redrive::redrive)),
        ("/v1/openapi.json", get(openapi)),
    ]
}

/// All routes, our own and those of `guests`.
pub(super) fn router(
    shared: &Shared,
    guests: Vec<(&'static str, MethodRouter)>,
    metrics: &metrics::Http,
) -> Router {
    let own = own().into_iter().map(|(path, methods)| (path, methods.with_state(shared.clone())));
    let mut router = Router::new();
    for (path, methods) in own.chain(guests) {
        let counted = counted(methods.fallback(unknown_method), metrics.route(path));
        router = router.route(path, counted);
    }
    let nowhere = get(unknown_route).fallback(unknown_route);
    router.fallback_service(counted(nowhere, metrics.route("none")))
}

fn counted(methods: MethodRouter, route: metrics::Route) -> MethodRouter {
    methods.layer(map_response(move |response: Response| {
        route.answered(response.status().as_u16());
        std::future::ready(response)
    }))
}

/// What the routes take and answer, as OpenAPI 3.1.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "broker",
    responses((status = 200, description = "This document.", content_type = "application/json"))
)]
async fn openapi(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], shared.openapi)
}

async fn unknown_route(request: Request) -> Problem {
    let detail = format!("there is no {}; /v1/openapi.json lists what there is", asked(&request));
    Problem::new(Code::UnknownRequest, detail)
}

async fn unknown_method(request: Request) -> Problem {
    Problem::unknown_method(format!("there is no {}; see the Allow header", asked(&request)))
}

fn asked(request: &Request) -> String {
    format!("{} {}", request.method(), request.uri().path())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_described() {
        let document = Document::openapi();
        let described: BTreeSet<_> = document.paths.paths.keys().map(String::as_str).collect();
        let own: BTreeSet<_> = own().into_iter().map(|(path, _)| path).collect();
        assert_eq!(described, own);
    }
}
