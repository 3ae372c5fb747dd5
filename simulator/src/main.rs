//! `simulate --seeds N [--seed S] [--host KIND] [--threads T]`: plays N runs from seed S on; exit code 1 when one fails.

use std::process::ExitCode;
use strongroom_simulator::campaign::Campaign;
use strongroom_simulator::hosts;

fn main() -> ExitCode {
    let campaign = match parse(std::env::args().skip(1)) {
        Ok(campaign) => campaign,
        Err(why) => {
            eprintln!("{why}\nusage: simulate [--seeds N] [--seed S] [--host KIND] [--threads T]");
            return ExitCode::from(2);
        }
    };
    let report = campaign.play(|| ());
    print!("{}", report.text());
    if report.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Campaign, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut campaign = Campaign { seeds: 20_000, first: 0, host: None, threads };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{option} needs a number"));
        match option.as_str() {
            "--seeds" => campaign.seeds = number()?,
            "--seed" => campaign.first = number()?,
            "--threads" => campaign.threads = number()? as usize,
            "--host" => {
                let names: Vec<&str> = hosts::ALL.iter().map(|host| host.name()).collect();
                let host = hosts::by_name(&value);
                campaign.host = Some(host.ok_or_else(|| format!("--host is one of {}", names.join(", ")))?);
            }
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(campaign)
}
