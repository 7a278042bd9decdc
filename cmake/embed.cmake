# Writes the C++ source of a function that gives files, for trilby_embed().
#   cmake -DOUT=... -DFUNCTION=trilby::cli::embedded_files -DINCLUDE=cli/selftest_case.h -DTYPE=trilby::cli::EmbeddedFile -DFILES=a;b -P embed.cmake
set(text "#include \"${INCLUDE}\"\n\nstd::vector<${TYPE}> ${FUNCTION}() {\n  return {\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  file(READ ${file} content)
  string(APPEND text "      {\"${name}\", R\"~~~~(${content})~~~~\"},\n")
endforeach()
file(WRITE ${OUT} "${text}  };\n}\n")
