//! `session export` and `session import`: the format of `/sessionary/v1/exports`.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write, stdin, stdout};
use std::path::PathBuf;

use clap::Args;
use flate2::read::MultiGzDecoder;

use super::home::administer_tenant;
use super::{Context, Failure, org};
use crate::dialects::sessionary::exports::line::ExportLine;
use crate::dialects::sessionary::{ImportResult, ImportRights, Importer};
use crate::domain::DialectName;
use crate::http::CostlyWork;
use crate::store::ExportFilter;

/// Bytes of a file that are read at once.
const BLOCK: usize = 256 * 1024;
/// The first bytes of a file that gzip has compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

const EVERYTHING: ImportRights = ImportRights { write_events: true, write_agents: true };

#[derive(Args)]
pub(super) struct Export {
    /// Its UUID or external id
    #[arg(long)]
    org: String,
    /// Only sessions of this dialect
    #[arg(long)]
    dialect: Option<DialectName>,
    /// Only sessions of this user
    #[arg(long)]
    user: Option<String>,
}

#[derive(Args)]
pub(super) struct Import {
    /// Its UUID or external id
    #[arg(long)]
    org: String,
    /// Store nothing, and show what would be stored
    #[arg(long)]
    dry_run: bool,
    /// The file, compressed with gzip or not; the standard input unless given
    file: Option<PathBuf>,
}

impl Export {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let filter = ExportFilter {
            dialects: self.dialect.map_or_else(|| DialectName::ALL.to_vec(), |dialect| vec![dialect]),
            user: self.user,
            ..ExportFilter::default()
        };
        administer_tenant(
            context,
            async |admin| org::find(admin, &self.org).await,
            async |_, tenant| {
                tenant.exports().record().await?;
                let mut after = None;
                loop {
                    let piece = tenant.exports().piece(&filter, after).await?;
                    let Some(next) = piece.next else { return Ok(()) };
                    after = Some(next);
                    let mut text = Vec::new();
                    for part in piece.parts {
                        ExportLine::new(part, None).write(&mut text)?;
                    }
                    match stdout().lock().write_all(&text) {
                        // The reader has closed, as `head` does.
                        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                        written => written?,
                    }
                }
            },
        )
        .await
    }
}

impl Import {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut lines = self.open()?;
        administer_tenant(
            context,
            async |admin| org::find(admin, &self.org).await,
            async |_, tenant| {
                let mut importer =
                    Importer::new(tenant, context.mint.clone(), CostlyWork::default(), EVERYTHING, self.dry_run);
                let mut block = vec![0; BLOCK];
                loop {
                    let read = lines.read(&mut block)?;
                    if read == 0 {
                        break;
                    }
                    importer.push(&block[..read]);
                    while importer.step().await? {}
                }
                let result = importer.finish().await?;
                self.show(context, &result);
                if result.rejected > 0 {
                    Err(format!("{} lines were rejected", result.rejected).into())
                } else {
                    Ok(())
                }
            },
        )
        .await
    }

    /// Opens the file, and decompresses it if it is compressed.
    fn open(&self) -> Result<Box<dyn Read>, Failure> {
        let mut bytes: Box<dyn BufRead> = match &self.file {
            Some(path) => Box::new(BufReader::new(File::open(path)?)),
            None => Box::new(BufReader::new(stdin())),
        };
        let is_packed = bytes.fill_buf()?.starts_with(&GZIP);
        Ok(if is_packed { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) })
    }

    fn show(&self, context: &Context, result: &ImportResult) {
        let mut details = vec![
            ("created", result.created.to_string()),
            ("existing", result.existing.to_string()),
            ("rejected", result.rejected.to_string()),
        ];
        details.extend(result.lines.iter().map(|line| ("rejected line", format!("{}: {}", line.line, line.detail))));
        let sentence = if self.dry_run { "This would be imported. Nothing was changed." } else { "Imported." };
        context.output.details(sentence, &details, result);
    }
}
