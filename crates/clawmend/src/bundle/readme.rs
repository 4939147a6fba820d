//! The first page of a bundle, in both languages.

use super::{LeftOut, Part};
use std::fmt::Write as _;

/// What each part is, in English and Chinese.
const PARTS: [(&str, &str, &str); 13] = [
    ("status.json", "the gateways and the guard, as `clawmend status --json`", "网关与守护程序的状态"),
    ("incidents.json", "the incidents, event by event", "故障记录，逐个事件"),
    ("incidents.txt", "the same, to read", "同上，便于阅读"),
    ("doctor.json", "what the doctor found, as `clawmend doctor --json`", "诊断结果"),
    ("doctor.txt", "the same, to read, in English and Chinese", "同上，中英文对照"),
    ("config-check.json", "what is wrong with the config", "配置检查结果"),
    ("config-check.txt", "the same, to read", "同上，便于阅读"),
    ("config.json", "the config: its keys, with nearly all values hidden", "配置的键；几乎所有的值都已隐藏"),
    ("process.json", "the gateway's process, its sockets, and the machine", "网关进程、连接与主机"),
    ("versions.json", "versions of clawmend, OpenClaw, Node and the kernel", "各组件版本"),
    ("log.txt", "the gateway's log since it was last well", "自上次正常以来的网关日志"),
    ("stability.json", "headlines of OpenClaw's own stability bundles", "OpenClaw 自身稳定性报告的要点"),
    ("README.txt", "this page", "本页"),
];

/// The page for a bundle of `gateway`.
#[must_use]
pub fn page(gateway: &str, about: &str, at: &str, parts: &[Part], left_out: &[LeftOut]) -> String {
    let mut text = format!(
        "Evidence of the OpenClaw gateway `{gateway}`, {about}. Written by clawmend {} on {at}.\n\
         OpenClaw 网关 `{gateway}` 的证据。由 clawmend 生成。\n\n\
         Secrets are masked with ***, and the config's values are hidden. Names of files, models and channels, and what\n\
         the gateway wrote into its log, are in it: look through it before you give it to anybody.\n\
         密钥已用 *** 遮盖，配置的值已隐藏。但文件名、模型与渠道名称以及网关日志的内容仍在其中：转交他人之前请先看一遍。\n\n",
        crate::version::VERSION
    );
    for part in parts {
        if let Some((name, en, zh)) = PARTS.iter().find(|(name, ..)| *name == part.name) {
            let _ = writeln!(text, "{name}: {en} / {zh}");
        }
    }
    if !left_out.is_empty() {
        text.push_str("\nNot in it / 未包含：\n");
    }
    for one in left_out {
        let _ = writeln!(text, "{}: {}", one.name, one.why);
    }
    text
}
