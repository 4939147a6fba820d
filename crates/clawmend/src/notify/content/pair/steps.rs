//! How the steps of a change of role went, for a letter.
//!
//! Invariant: how a step went is said in the reader's language; the detail behind it is evidence, and stays as it was
//! recorded, in English.

use super::super::context::lasted;
use crate::settings::Language;
use clawmend_core::failover::{Role, Step, Telling};

/// The steps of what a letter tells.
pub(super) struct Steps<'a> {
    pub(super) language: Language,
    pub(super) telling: &'a Telling,
    pub(super) steps: &'a [Step],
}

impl Steps<'_> {
    /// What each is called, and how it went, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.steps.iter().map(|step| (self.name(step), self.result(step)))
    }

    /// A step by its name. What was done again counts as it went last.
    pub(super) fn find(&self, name: &str) -> Option<&Step> {
        self.steps.iter().rfind(|step| step.step == name)
    }

    /// It was to be done, and was not.
    pub(super) fn failed(&self, name: &str) -> bool {
        self.find(name).is_some_and(|step| !step.worked)
    }

    fn name(&self, step: &Step) -> &'static str {
        let (en, zh) = match step.step.as_str() {
            "workspace" => ("Its files", "助手文件"),
            "secrets" => ("Its secrets", "密钥"),
            "channel" => ("Channel", "通道"),
            "messages" => ("Messages", "消息"),
            "switch" => ("Its channels", "通道开关"),
            _ => ("Gateway", "网关"),
        };
        self.language.pick(en, zh)
    }

    fn result(&self, step: &Step) -> String {
        let took = lasted(self.language, i64::try_from(step.took_ms).unwrap_or(i64::MAX));
        match self.language {
            Language::English => {
                let failed = if step.worked { "" } else { "NOT done: " };
                format!("{failed}{} ({took})", step.detail)
            }
            Language::Chinese => format!("{}（{took}）：{}", self.went_zh(step), step.detail),
        }
    }

    const fn carries(&self) -> bool {
        let back = matches!(
            self.telling,
            Telling::SteppedBack { .. } | Telling::Failed { role: Role::Active | Role::Demoting, .. }
        );
        !back
    }

    fn went_zh(&self, step: &Step) -> &'static str {
        if !step.worked {
            return "未完成";
        }
        match (step.step.as_str(), self.carries()) {
            ("channel", true) => "已连上",
            ("channel", false) => "已静默",
            ("switch", true) => "已打开",
            ("switch", false) => "已关闭",
            ("messages", _) => "已先行回复",
            _ => "已完成",
        }
    }
}
