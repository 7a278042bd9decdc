# Turns food.txt and labels.txt, in this order, into the initialisers of an array of Label.
FNR == 1 { ++file }
file == 1 && !/^(#|$)/ { index_of = $1; sub(/^[0-9]+ /, ""); food[index_of] = $0 }
file == 2 {
  line = FNR - 1
  if (line in food && food[line] != $0) {
    print "food.txt says that label " line " is \"" food[line] "\", labels.txt that it is \"" $0 "\"" > "/dev/stderr"
    exit 1
  }
  if (/["\\]/) {
    print "labels.txt:" FNR ": a label may hold neither \" nor \\" > "/dev/stderr"
    exit 1
  }
  print "{\"" $0 "\", " (line in food ? "true" : "false") "},"
}
