//! What the command line of `weir server` says, put over what the file says.

use std::path::PathBuf;

use super::file::ConfigFile;

/// The options of `weir server`, as given.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`: the file to read.
    pub config: Option<PathBuf>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--native`
    pub native: Option<String>,
    /// `--http`
    pub http: Option<String>,
    /// `--kafka`
    pub kafka: Option<String>,
    /// `--insecure`; not given, the file decides.
    pub insecure: bool,
}

impl Overrides {
    pub(super) fn apply(self, file: &mut ConfigFile) {
        if let Some(data) = self.data {
            file.data = data;
        }
        if let Some(native) = self.native {
            file.listen.native = native;
        }
        if let Some(http) = self.http {
            file.listen.http = http;
        }
        if let Some(kafka) = self.kafka {
            file.listen.kafka = kafka;
        }
        file.listen.insecure |= self.insecure;
    }
}
