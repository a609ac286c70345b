import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/**
 * A name node and a data node on loopback: MiniHdfs FOLDER PORT, the port of the name node's HTTP.
 * A line "away" ends the data node, which the name node goes on naming for minutes; "back" starts it again.
 */
class MiniHdfs {
    public static void main(String[] arguments) throws Exception {
        MiniDFSCluster cluster = new MiniDFSCluster.Builder(new Configuration(), new File(arguments[0]))
                .nameNodeHttpPort(Integer.parseInt(arguments[1]))
                .numDataNodes(1)
                .build();
        cluster.waitClusterUp();
        MiniDFSCluster.DataNodeProperties gone = null;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            if (line.equals("away")) {
                gone = cluster.stopDataNode(0);
            } else if (gone != null) {
                cluster.restartDataNode(gone, true);
                cluster.waitActive();
            }
        }
        Thread.currentThread().join();
    }
}
