#include "console/markdown_layout.h"

#include <md4c.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "console/display_text.h"
#include "console/inline_text.h"
#include "console/table_layout.h"

namespace hearth {
namespace {

constexpr int kMinColumns = 8;
constexpr int kCodeIndent = 4;
constexpr int kTabColumns = 4;

/// A quote or an item around the text: what its rows begin with.
struct Container {
  std::string first;  // of the first row
  std::string rest;   // of the others
  unsigned styles = kPlainStyle;
};

struct List {
  bool is_tight = true;
  int number = -1;  // of the next item; -1: bullets
  char delimiter = '.';
};

std::string with_tabs_expanded(std::string_view line) {
  std::string expanded;
  int column = 0;
  for (const Character& character : characters_of(line)) {
    const bool is_tab = character.text == "\t";
    const int columns = is_tab ? kTabColumns - column % kTabColumns : character.columns;
    expanded +=
        is_tab ? std::string(static_cast<size_t>(columns), ' ') : std::string(character.text);
    column += columns;
  }
  return expanded;
}

/// Rows of one block, built from the calls of the parser.
class Layouter {
 public:
  Layouter(const MarkdownBlock& block, const LayoutOptions& options)
      : block_(block),
        options_(options),
        columns_(std::max(options.columns, kMinColumns)),
        inline_(block.source, options.style.on(), options.base_styles) {}

  BlockLayout run();

 private:
  static Layouter& self(void* layouter) { return *static_cast<Layouter*>(layouter); }

  void enter(MD_BLOCKTYPE type, void* detail);
  void leave(MD_BLOCKTYPE type);
  void enter_item(const MD_BLOCK_LI_DETAIL& detail);
  void enter_heading(unsigned level);
  void begin_block();
  void flush_text();
  void add_table();
  void add_label(std::string_view language);
  void add_code(std::string_view code);
  void add_code_row(std::string_view line);
  void add_row(std::span<const Glyph> glyphs, size_t source = kNoSource);
  std::vector<Glyph> prefix();
  int text_columns();
  std::vector<Glyph> marks(std::string_view text, unsigned styles) const;

  const MarkdownBlock& block_;
  const LayoutOptions& options_;
  const int columns_;
  InlineText inline_;
  std::vector<Container> containers_;
  std::vector<List> lists_;
  TableText table_;
  bool in_code_ = false;
  std::string code_;
  bool needs_gap_ = false;  // a block above, at this level, has to be kept apart
  BlockLayout layout_;
};

BlockLayout Layouter::run() {
  if (block_.kind == MarkdownBlock::Kind::kCodeLabel) {
    add_label(block_.source);
    return std::move(layout_);
  }
  if (block_.kind == MarkdownBlock::Kind::kCodeLine) {
    add_code_row(block_.source);
    return std::move(layout_);
  }
  MD_PARSER parser{};
  parser.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS | MD_FLAG_NOHTML |
                 MD_FLAG_PERMISSIVEURLAUTOLINKS;
  parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* layouter) {
    self(layouter).enter(type, detail);
    return 0;
  };
  parser.leave_block = [](MD_BLOCKTYPE type, void*, void* layouter) {
    self(layouter).leave(type);
    return 0;
  };
  parser.enter_span = [](MD_SPANTYPE type, void* detail, void* layouter) {
    self(layouter).inline_.enter(type, detail);
    return 0;
  };
  parser.leave_span = [](MD_SPANTYPE type, void*, void* layouter) {
    self(layouter).inline_.leave(type);
    return 0;
  };
  parser.text = [](MD_TEXTTYPE type, const char* text, MD_SIZE size, void* layouter) {
    Layouter& that = self(layouter);
    if (that.in_code_) {
      that.code_.append(text, size);
    } else {
      that.inline_.add(type, {text, size});
    }
    return 0;
  };
  // It fails only when a callback does, or when memory runs out.
  CHECK(md_parse(block_.source.data(), static_cast<MD_SIZE>(block_.source.size()), &parser, this) ==
        0);
  return std::move(layout_);
}

std::vector<Glyph> Layouter::marks(std::string_view text, unsigned styles) const {
  std::vector<Glyph> glyphs;
  append_text(glyphs, text, styles | options_.base_styles);
  return glyphs;
}

void Layouter::enter(MD_BLOCKTYPE type, void* detail) {
  switch (type) {
    case MD_BLOCK_QUOTE:
      flush_text();
      begin_block();
      containers_.push_back({"│ ", "│ ", kDim});
      break;
    case MD_BLOCK_UL:
      flush_text();
      if (lists_.empty() || !lists_.back().is_tight) begin_block();
      lists_.push_back({static_cast<MD_BLOCK_UL_DETAIL*>(detail)->is_tight != 0});
      needs_gap_ = false;
      break;
    case MD_BLOCK_OL: {
      flush_text();
      if (lists_.empty() || !lists_.back().is_tight) begin_block();
      const auto& list = *static_cast<MD_BLOCK_OL_DETAIL*>(detail);
      const bool is_outermost = lists_.empty() && block_.number >= 0;
      lists_.push_back({list.is_tight != 0,
                        is_outermost ? block_.number : static_cast<int>(list.start),
                        list.mark_delimiter});
      needs_gap_ = false;
      break;
    }
    case MD_BLOCK_LI: enter_item(*static_cast<MD_BLOCK_LI_DETAIL*>(detail)); break;
    case MD_BLOCK_HR: {
      flush_text();
      begin_block();
      std::string line;
      for (int i = text_columns(); i > 0; --i) line += "─";
      add_row(marks(line, kDim));
      break;
    }
    case MD_BLOCK_H: enter_heading(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level); break;
    case MD_BLOCK_CODE: {
      flush_text();
      begin_block();
      in_code_ = true;
      const auto& lang = static_cast<MD_BLOCK_CODE_DETAIL*>(detail)->lang;
      if (lang.size > 0) add_label(attribute_text(lang));
      break;
    }
    case MD_BLOCK_P:
      flush_text();
      begin_block();
      break;
    case MD_BLOCK_TABLE:
      flush_text();
      begin_block();
      table_ = {};
      break;
    case MD_BLOCK_TR: table_.rows.emplace_back(); break;
    case MD_BLOCK_TH: {
      const MD_ALIGN align = static_cast<MD_BLOCK_TD_DETAIL*>(detail)->align;
      table_.alignments.push_back(align == MD_ALIGN_RIGHT    ? Alignment::kRight
                                  : align == MD_ALIGN_CENTER ? Alignment::kCentre
                                                             : Alignment::kLeft);
      inline_.set_block_styles(kBold);
      break;
    }
    default: break;
  }
}

void Layouter::leave(MD_BLOCKTYPE type) {
  switch (type) {
    case MD_BLOCK_QUOTE:
      containers_.pop_back();
      needs_gap_ = true;
      break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
      lists_.pop_back();
      needs_gap_ = true;
      break;
    case MD_BLOCK_LI:
      flush_text();
      // An empty item has a row, too.
      if (containers_.back().first != containers_.back().rest) add_row({});
      containers_.pop_back();
      needs_gap_ = !lists_.back().is_tight;
      break;
    case MD_BLOCK_CODE:
      in_code_ = false;
      add_code(std::exchange(code_, ""));
      needs_gap_ = true;
      break;
    case MD_BLOCK_H:
    case MD_BLOCK_P:
      flush_text();
      inline_.set_block_styles(kPlainStyle);
      needs_gap_ = true;
      break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
      inline_.set_block_styles(kPlainStyle);
      table_.rows.back().push_back(inline_.take());
      break;
    case MD_BLOCK_TABLE:
      add_table();
      needs_gap_ = true;
      break;
    default: break;
  }
}

void Layouter::enter_item(const MD_BLOCK_LI_DETAIL& detail) {
  begin_block();
  List& list = lists_.back();
  std::string marker = list.number >= 0 ? std::to_string(list.number++) + list.delimiter : "•";
  if (detail.is_task != 0) marker += detail.task_mark == ' ' ? " ☐" : " ☑";
  marker += " ";
  const auto indent = static_cast<size_t>(display_columns(marker));
  containers_.push_back({marker, std::string(indent, ' '), kCyan});
}

void Layouter::enter_heading(unsigned level) {
  flush_text();
  begin_block();
  if (!options_.style.on()) {
    inline_.add_mark(std::string(level, '#') + " ");
  }
  inline_.set_block_styles(level == 1   ? kBold | kUnderline | kCyan
                           : level == 2 ? kBold | kCyan
                                        : unsigned{kBold});
}

/// Keeps what follows apart from what is above it.
void Layouter::begin_block() {
  if (needs_gap_) add_row({});
  needs_gap_ = false;
}

/// What the next row begins with.
std::vector<Glyph> Layouter::prefix() {
  std::vector<Glyph> glyphs;
  bool fits = true;
  for (Container& container : containers_) {
    const auto part = marks(container.first, container.styles);
    container.first = container.rest;
    // Deep nesting keeps half of the row for the text.
    fits = fits && columns_of(glyphs) + columns_of(part) <= columns_ / 2;
    if (fits) glyphs.insert(glyphs.end(), part.begin(), part.end());
  }
  return glyphs;
}

int Layouter::text_columns() {
  int used = 0;
  for (const Container& container : containers_) {
    const int part = display_columns(container.first);
    if (used + part > columns_ / 2) break;
    used += part;
  }
  return columns_ - 1 - used;
}

void Layouter::add_row(std::span<const Glyph> glyphs, size_t source) {
  std::vector<Glyph> row = prefix();
  row.insert(row.end(), glyphs.begin(), glyphs.end());
  while (!row.empty() && row.back().text == " ") row.pop_back();
  layout_.rows.push_back({styled(row, options_.style), columns_of(row), false, source});
}

void Layouter::flush_text() {
  if (inline_.is_empty()) return;
  const std::vector<Glyph> glyphs = inline_.take();
  const bool may_be_cut = block_.kind == MarkdownBlock::Kind::kText && containers_.empty();
  for (const auto row : break_rows(glyphs, text_columns())) {
    const bool is_safe = may_be_cut && !row.empty() && inline_.may_begin_paragraph(row[0]);
    add_row(row, is_safe ? row[0].source : kNoSource);
  }
}

void Layouter::add_table() {
  const bool goes_on = !block_.table_widths.empty();
  const std::vector<int> widths =
      goes_on ? block_.table_widths : table_widths(table_, text_columns());
  for (Row& row : lay_out_table(table_, widths, text_columns(), !goes_on, options_.style)) {
    std::vector<Glyph> before = prefix();
    row.text = styled(before, options_.style) + row.text;
    row.columns += columns_of(before);
    layout_.rows.push_back(std::move(row));
  }
  if (containers_.empty()) layout_.table_widths = widths;
}

void Layouter::add_label(std::string_view language) {
  add_row(marks(std::string("  ").append(language), kDim));
}

void Layouter::add_code(std::string_view code) {
  if (code.ends_with('\n')) code.remove_suffix(1);
  while (true) {
    const size_t end = std::min(code.find('\n'), code.size());
    add_code_row(code.substr(0, end));
    if (end == code.size()) return;
    code.remove_prefix(end + 1);
  }
}

/// Code is not broken into rows: where it is too long, the terminal wraps it, so that it can be
/// copied as one line. Rows are counted as the terminal will count them.
void Layouter::add_code_row(std::string_view line) {
  std::vector<Glyph> row = prefix();
  const auto indent = marks(std::string(kCodeIndent, ' '), kPlainStyle);
  const auto text = marks(with_tabs_expanded(line), kPlainStyle);
  row.insert(row.end(), indent.begin(), indent.end());
  row.insert(row.end(), text.begin(), text.end());
  while (!row.empty() && row.back().text == " ") row.pop_back();
  std::span<const Glyph> rest(row);
  bool is_continuation = false;
  do {
    size_t length = 0;
    int used = 0;
    while (length < rest.size() && used + rest[length].columns <= columns_) {
      used += rest[length++].columns;
    }
    layout_.rows.push_back({styled(rest.first(length), options_.style), used, is_continuation});
    rest = rest.subspan(length);
    is_continuation = true;
  } while (!rest.empty());
}

}  // namespace

BlockLayout lay_out_block(const MarkdownBlock& block, const LayoutOptions& options) {
  return Layouter(block, options).run();
}

}  // namespace hearth
