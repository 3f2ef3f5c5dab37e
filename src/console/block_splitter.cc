#include "console/block_splitter.h"

#include <algorithm>
#include <utility>

namespace hearth {
namespace {

using Kind = MarkdownBlock::Kind;

constexpr int kTabColumns = 4;
constexpr int kCodeIndent = 4;
constexpr size_t kMaxNumberDigits = 9;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// How many times the first character is repeated.
size_t run_length(std::string_view text) {
  return std::min(text.find_first_not_of(text.substr(0, 1)), text.size());
}

/// `***`, `- - -` and the like.
bool is_rule(std::string_view body) {
  if (body.empty() || (body[0] != '*' && body[0] != '-' && body[0] != '_')) return false;
  size_t marks = 0;
  for (const char c : body) {
    if (c == body[0]) {
      ++marks;
    } else if (c != ' ' && c != '\t') {
      return false;
    }
  }
  return marks >= 3;
}

bool is_heading(std::string_view body) {
  const size_t marks = body.starts_with('#') ? run_length(body) : 0;
  return marks >= 1 && marks <= 6 &&
         (marks == body.size() || body[marks] == ' ' || body[marks] == '\t');
}

bool is_underline(std::string_view body) {
  return !body.empty() && (body[0] == '=' || body[0] == '-') && run_length(body) == body.size();
}

/// Backquotes or tildes that open a code block: three or more of them.
bool is_fence(std::string_view body) {
  if (!body.starts_with("```") && !body.starts_with("~~~")) return false;
  return body[0] == '~' || body.find('`', run_length(body)) == std::string_view::npos;
}

/// `|:-|-|`: what is below the heads of a table.
bool is_table_rule(std::string_view body) {
  return body.find('|') != std::string_view::npos && body.find('-') != std::string_view::npos &&
         body.find_first_not_of("|:- \t") == std::string_view::npos;
}

/// md4c wants three characters for each column; people and models write one.
std::string with_long_dashes(std::string_view rule) {
  std::string longer;
  for (size_t i = 0; i < rule.size(); ++i) {
    const bool begins = rule[i] == '-' && (i == 0 || rule[i - 1] != '-');
    longer += begins ? "---" : std::string(1, rule[i]);
  }
  return longer;
}

/// Characters of a list marker at the start of `body`, 0 if there is none.
size_t marker_length(std::string_view body) {
  size_t length = 0;
  if (!body.empty() && (body[0] == '-' || body[0] == '+' || body[0] == '*')) {
    length = 1;
  } else {
    while (length < body.size() && length < kMaxNumberDigits && is_digit(body[length])) ++length;
    const bool ends =
        length > 0 && length < body.size() && (body[length] == '.' || body[length] == ')');
    length = ends ? length + 1 : 0;
  }
  const bool stands_alone = length == body.size() || body[length] == ' ' || body[length] == '\t';
  return stands_alone ? length : 0;
}

}  // namespace

/// A line as the outermost level sees it.
struct BlockSplitter::Line {
  enum class Kind { kBlank, kOther, kFence, kHeading, kRule, kQuote, kItem };

  Kind kind = Kind::kOther;
  std::string_view text;  // all of it
  std::string_view body;  // without the spaces around
  int indent = 0;         // in columns
  size_t marker = 0;      // characters of a list marker
};

BlockSplitter::Line BlockSplitter::look_at(std::string_view text) {
  Line line;
  line.text = text;
  line.body = trimmed(text);
  for (const char c : text) {
    if (c != ' ' && c != '\t') break;
    line.indent += c == ' ' ? 1 : kTabColumns - line.indent % kTabColumns;
  }
  if (line.body.empty()) {
    line.kind = Line::Kind::kBlank;
  } else if (line.indent >= kCodeIndent) {
    line.kind = Line::Kind::kOther;
  } else if (is_fence(line.body)) {
    line.kind = Line::Kind::kFence;
  } else if (is_heading(line.body)) {
    line.kind = Line::Kind::kHeading;
  } else if (is_rule(line.body)) {
    line.kind = Line::Kind::kRule;
  } else if (line.body[0] == '>') {
    line.kind = Line::Kind::kQuote;
  } else if ((line.marker = marker_length(line.body)) > 0) {
    line.kind = Line::Kind::kItem;
  }
  return line;
}

/// An item interrupts only if it has text, and begins a list at 1 (CommonMark 5.3).
bool BlockSplitter::interrupts_paragraph(const Line& line) const {
  if (line.kind != Line::Kind::kItem) return line.kind != Line::Kind::kOther;
  const bool has_text = line.body.size() > line.marker;
  return has_text && (!is_digit(line.body[0]) || line.body.substr(0, line.marker - 1) == "1");
}

/// Whether the line, which is not empty, belongs to the open block.
bool BlockSplitter::continues(const Line& line) const {
  switch (open_->kind) {
    case Kind::kText: return !after_blank_ && !interrupts_paragraph(line);
    case Kind::kQuote:
      return !after_blank_ && (line.kind == Line::Kind::kQuote || line.kind == Line::Kind::kOther);
    case Kind::kItem:
      return line.indent >= item_indent_ || (!after_blank_ && line.kind == Line::Kind::kOther);
    case Kind::kIndentedCode: return line.indent >= kCodeIndent;
    default: return false;
  }
}

void BlockSplitter::add_line(std::string_view text) {
  if (fence_) {
    add_code_line(text);
    return;
  }
  const Line line = look_at(text);
  if (line.kind == Line::Kind::kBlank) {
    after_blank_ = true;
    // Further lines may continue an item or indented code after an empty line, but nothing else.
    if (open_ && open_->kind != Kind::kItem && open_->kind != Kind::kIndentedCode) close();
    if (open_) open_->source += '\n';
    return;
  }
  if (open_ && open_->kind == Kind::kText && !after_blank_ && line.indent < kCodeIndent &&
      is_underline(line.body)) {
    open_->source.append(text) += '\n';
    close();  // the paragraph is a heading
  } else if (open_ && continues(line)) {
    const bool is_rule = open_->kind == Kind::kText && is_table_rule(line.body);
    open_->source.append(is_rule ? with_long_dashes(text) : text) += '\n';
  } else {
    close();
    begin(line);
  }
  after_blank_ = false;
}

void BlockSplitter::begin(const Line& line) {
  if (line.kind == Line::Kind::kFence) {
    open_fence(line);
    return;
  }
  MarkdownBlock block;
  block.source.append(line.text) += '\n';
  char marker = 0;
  switch (line.kind) {
    case Line::Kind::kQuote: block.kind = Kind::kQuote; break;
    case Line::Kind::kRule: block.kind = Kind::kRule; break;
    case Line::Kind::kItem: {
      block.kind = Kind::kItem;
      marker = line.body[line.marker - 1];
      const size_t text = line.body.find_first_not_of(" \t", line.marker);
      // Text that is further away is code inside the item (CommonMark 5.2).
      const size_t spaces = text == std::string_view::npos ? 1 : text - line.marker;
      item_indent_ = line.indent + static_cast<int>(line.marker + (spaces > 4 ? 1 : spaces));
      const bool goes_on = marker == last_item_marker_;
      if (is_digit(line.body[0])) {
        block.number = goes_on ? last_item_number_ + 1
                               : std::stoi(std::string(line.body.substr(0, line.marker - 1)));
      }
      block.has_gap = !goes_on || after_blank_;
      last_item_number_ = block.number;
      break;
    }
    default:
      if (line.indent >= kCodeIndent) block.kind = Kind::kIndentedCode;
  }
  last_item_marker_ = marker;
  open_ = std::move(block);
  if (line.kind == Line::Kind::kHeading || line.kind == Line::Kind::kRule) close();
}

void BlockSplitter::open_fence(const Line& line) {
  last_item_marker_ = 0;
  const size_t length = run_length(line.body);
  std::string_view language = trimmed(line.body.substr(length));
  language = language.substr(0, language.find_first_of(" \t{"));
  fence_ = Fence{line.body[0], length, line.indent, false, !language.empty()};
  if (!language.empty())
    finished_.push_back({Kind::kCodeLabel, std::string(language), true, -1, {}});
}

void BlockSplitter::add_code_line(std::string_view text) {
  const Line line = look_at(text);
  if (line.indent < kCodeIndent && line.body.starts_with(fence_->character) &&
      run_length(line.body) == line.body.size() && line.body.size() >= fence_->length) {
    fence_.reset();
    after_blank_ = false;
    return;
  }
  size_t stripped = 0;
  while (stripped < text.size() && text[stripped] == ' ' &&
         static_cast<int>(stripped) < fence_->indent) {
    ++stripped;
  }
  finished_.push_back({Kind::kCodeLine,
                       std::string(text.substr(stripped)),
                       !fence_->has_lines && !fence_->has_label,
                       -1,
                       {}});
  fence_->has_lines = true;
}

void BlockSplitter::close() {
  if (open_) finished_.push_back(*std::exchange(open_, std::nullopt));
}

std::vector<MarkdownBlock> BlockSplitter::take_finished() { return std::exchange(finished_, {}); }

void BlockSplitter::continue_paragraph(std::string_view lines) {
  open_ = MarkdownBlock{Kind::kText, std::string(lines), false, -1, {}};
  after_blank_ = false;
  last_item_marker_ = 0;
}

void BlockSplitter::continue_table(std::vector<int> widths) {
  const size_t head = open_->source.find('\n', open_->source.find('\n') + 1);
  open_->source.resize(head + 1);
  open_->has_gap = false;
  open_->table_widths = std::move(widths);
}

}  // namespace hearth
