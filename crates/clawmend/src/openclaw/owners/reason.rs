//! Why an account cannot carry an alert, in the words of `notify list`.
//!
//! Invariant: a text names keys, variables and files' faults, never a value. Each reason has a name for scripts that
//! stays the same.

use std::fmt;

/// Why an account is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A person switched it off.
    #[error("switched off by {key}; an alert would speak where someone wanted silence")]
    Disabled {
        /// What says so.
        key: String,
    },
    /// A channel that we have no sender for.
    #[error("Clawmend cannot send on this channel; set up another one with `clawmend notify set`")]
    NotSupported,
    /// The setting that identifies the bot is missing.
    #[error("{key} is not set, so there is nothing to send with")]
    NoCredential {
        /// The setting.
        key: String,
    },
    /// It is there, and OpenClaw could not use it either.
    #[error("{key} has not the form that its provider takes; correct it in OpenClaw's config")]
    Malformed {
        /// The setting.
        key: String,
    },
    /// A `${VAR}` or a reference to a variable that is not in the environment we know of.
    #[error(
        "{key} takes its value from ${{{name}}}, which is not set; put it into the .env of OpenClaw's state folder, where the guard can read it too"
    )]
    VariableUnset {
        /// The setting.
        key: String,
        /// The variable.
        name: String,
    },
    /// It can only be had by running a command or by asking OpenClaw.
    #[error("{key} is a secret reference of the kind `{source_kind}`, which is not resolved here; use `env` or `file`")]
    SecretReference {
        /// The setting.
        key: String,
        /// `exec`, `store`, or what else it is.
        source_kind: &'static str,
    },
    /// The reference names a provider that does not fit or does not allow it.
    #[error("{key} refers to a secret provider that `secrets.providers` does not have, or that does not allow it")]
    SecretProvider {
        /// The setting.
        key: String,
    },
    /// The file with the secret was no help.
    #[error("the file of {key} {problem}")]
    SecretFile {
        /// The setting.
        key: String,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// Another account is the same bot and has the same owner.
    #[error("the same bot and owner as account `{account}`, which is used")]
    SameBot {
        /// That account.
        account: String,
    },
    /// Nobody is known.
    #[error(
        "nobody is known as its owner; name yourself in commands.ownerAllowFrom, such as \"{channel}:YOUR_ID\", or in its allowFrom"
    )]
    NoOwner {
        /// Its key in `channels`.
        channel: &'static str,
    },
    /// The list holds nothing but `*`.
    #[error(
        "allowFrom holds only `*`, which is everyone and no one; name yourself in commands.ownerAllowFrom, such as \"{channel}:YOUR_ID\""
    )]
    OnlyEveryone {
        /// Its key in `channels`.
        channel: &'static str,
    },
    /// The lists hold names or groups only.
    #[error(
        "its lists hold no id of a person, and names and groups are not written to; name yourself in commands.ownerAllowFrom, such as \"{channel}:YOUR_ID\""
    )]
    NoPersonalId {
        /// Its key in `channels`.
        channel: &'static str,
    },
    /// The approved senders could not be read, and nothing else names an owner.
    #[error("OpenClaw's list of approved senders cannot be read, and nothing else names an owner")]
    PairingUnreadable,
}

impl Reason {
    /// Its name for scripts; it never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disabled { .. } => "disabled",
            Self::NotSupported => "not_supported",
            Self::NoCredential { .. } => "no_credential",
            Self::Malformed { .. } => "malformed",
            Self::VariableUnset { .. } => "variable_unset",
            Self::SecretReference { .. } => "secret_reference",
            Self::SecretProvider { .. } => "secret_provider",
            Self::SecretFile { .. } => "secret_file",
            Self::SameBot { .. } => "same_bot",
            Self::NoOwner { .. } => "no_owner",
            Self::OnlyEveryone { .. } => "only_everyone",
            Self::NoPersonalId { .. } => "no_personal_id",
            Self::PairingUnreadable => "pairing_unreadable",
        }
    }

    /// The same in Chinese.
    #[must_use]
    pub fn zh(&self) -> String {
        match self {
            Self::Disabled { key } => format!("已被 {key} 关闭；有人希望它安静，所以不从这里发告警"),
            Self::NotSupported => "Clawmend 不能通过这个渠道发送；请用 `clawmend notify set` 设置其他渠道".to_owned(),
            Self::NoCredential { key } => format!("没有设置 {key}，无法发送"),
            Self::Malformed { key } => format!("{key} 的格式不对，平台不会接受；请在 OpenClaw 的配置里改正"),
            Self::VariableUnset { key, name } => {
                format!("{key} 取自 ${{{name}}}，但它没有设置；请写入 OpenClaw 状态目录的 .env，守护程序也能读到")
            }
            Self::SecretReference { key, source_kind } => {
                format!("{key} 是 `{source_kind}` 类型的密钥引用，这里不解析；请改用 `env` 或 `file`")
            }
            Self::SecretProvider { key } => {
                format!("{key} 引用的密钥提供者不在 `secrets.providers` 里，或不允许这样引用")
            }
            Self::SecretFile { key, problem } => format!("{key} 所指的文件{}", problem.zh()),
            Self::SameBot { account } => format!("与已采用的账号 `{account}` 是同一个机器人和同一位主人"),
            Self::NoOwner { channel } => {
                format!(
                    "不知道主人是谁；请在 commands.ownerAllowFrom 写上自己，例如 \"{channel}:你的ID\"，或批准一次配对"
                )
            }
            Self::OnlyEveryone { channel } => format!(
                "allowFrom 只有 `*`，即所有人，无法确定是谁；请在 commands.ownerAllowFrom 写上自己，例如 \"{channel}:你的ID\""
            ),
            Self::NoPersonalId { channel } => format!(
                "名单里没有个人 ID，不会发给用户名和群组；请在 commands.ownerAllowFrom 写上自己，例如 \"{channel}:你的ID\""
            ),
            Self::PairingUnreadable => "读不到 OpenClaw 已批准的发送者名单，也没有别处写明主人".to_owned(),
        }
    }
}

/// What is wrong with a file that holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileProblem {
    /// Its path is not absolute: what it is relative to is not known.
    Relative,
    /// It is not there.
    Missing,
    /// It may not be read.
    Forbidden,
    /// It is a link, a folder, a pipe or a device.
    NotOrdinary,
    /// It is larger than OpenClaw reads.
    TooLarge,
    /// It holds no text, or not what is looked for.
    Content,
    /// The system failed to read it.
    Failed,
}

impl FileProblem {
    const fn zh(self) -> &'static str {
        match self {
            Self::Relative => "不是绝对路径",
            Self::Missing => "不存在",
            Self::Forbidden => "没有权限读取",
            Self::NotOrdinary => "不是普通文件（链接、目录、管道或设备）",
            Self::TooLarge => "太大，不像密钥",
            Self::Content => "里面没有所需的密钥",
            Self::Failed => "读取失败",
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Relative => "has no absolute path",
            Self::Missing => "is not there",
            Self::Forbidden => "may not be read",
            Self::NotOrdinary => "is not an ordinary file (a link, a folder, a pipe or a device)",
            Self::TooLarge => "is too large to be a secret",
            Self::Content => "does not hold the secret",
            Self::Failed => "could not be read",
        })
    }
}
