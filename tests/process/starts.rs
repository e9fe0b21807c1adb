//! Starts, and what they say when they cannot.

use std::fs;
use std::net::TcpListener;

use weir_tests::server::Launch;
use weir_tests::wire::Wire;

#[tokio::test]
async fn a_server_says_where_it_listens_to_people_and_to_programs() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    let server = Launch::at(&directory).start().await;
    let told = fs::read_to_string(directory.join("listen.json")).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["native"], server.native().to_string());
    assert_eq!(told["http"], server.http().to_string());
    assert_eq!(told["kafka"], server.kafka().to_string());
    Wire::greeted(server.native()).await.0.ping().await;
    let health = reqwest::get(format!("http://{}/healthz", server.http())).await.unwrap();
    assert!(health.status().is_success());
    assert!(server.stop().await.status.success());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_the_directory_stays_free() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for place in 0..3 {
        let mut faces = [free; 3];
        faces[place] = &address;
        let [native, http, kafka] = faces;
        let launch = Launch::at(&directory).on(native, http, kafka);
        let refused = launch.spawn().ready().await.unwrap_err();
        assert_eq!(refused.status.code(), Some(1), "{}", refused.said);
        assert!(refused.said.contains(&address), "{}", refused.said);
    }
    assert!(Launch::at(&directory).start().await.stop().await.status.success());
}

#[tokio::test]
async fn a_second_server_on_a_directory_is_refused_and_the_first_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    let first = Launch::at(&directory).start().await;
    let refused = Launch::at(&directory).spawn().ready().await.unwrap_err();
    assert_eq!(refused.status.code(), Some(1), "{}", refused.said);
    assert!(refused.said.contains("another"), "{}", refused.said);
    Wire::greeted(first.native()).await.0.ping().await;
    assert!(first.stop().await.status.success());
}

#[tokio::test]
async fn a_setting_that_nobody_knows_stops_the_start_before_anything_is_made() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("data");
    for settings in ["[journal]\nsegment_byte = 1\n", "[journal]\nsegment_bytes = 1\n", "journal"] {
        let launch = Launch::at(&directory).configured(settings);
        let refused = launch.spawn().ready().await.unwrap_err();
        assert_eq!(refused.status.code(), Some(2), "{}", refused.said);
        assert_eq!(refused.said.contains("segment_byte"), settings != "journal");
        assert!(!directory.exists(), "{}", refused.said);
    }
}
