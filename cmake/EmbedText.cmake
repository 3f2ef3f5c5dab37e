# Writes a C++ file that holds a text as `extern const char* const NAME` of namespace hearth.
# cmake -D IN=file -D OUT=file.cc -D NAME=kName -P EmbedText.cmake
file(READ ${IN} text)
file(WRITE ${OUT} "namespace hearth {
extern const char* const ${NAME};
const char* const ${NAME} = R\"embedded(${text})embedded\";
}  // namespace hearth
")
