# embed(TARGET NAME FILE): the bytes of FILE become `const unsigned char NAME[]` and
# `const size_t NAME_len` in TARGET.
function(embed target name file)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  file(CONFIGURE OUTPUT ${made} CONTENT
    "#include <stddef.h>\nextern const unsigned char ${name}[];\nextern const size_t ${name}_len;\nconst unsigned char ${name}[] = {@bytes@};\nconst size_t ${name}_len = sizeof ${name};\n" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  target_sources(${target} PRIVATE ${made})
endfunction()
